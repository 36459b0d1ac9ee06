"""The commands that README, CONTRIBUTING and docs/ tell people to type, and what becomes of each in the tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAMS: Final = frozenset(
    {"make", "nexo", "nexomatic-agent", "python", "pip", "curl", "api", "az", "azd", "openssl", "mkdir", "printf"}
)
_FENCE: Final = re.compile(r"^ *```([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_INDENTED: Final = re.compile(r"^(?: *\n)?    ((?:python -m|make|nexo) [^\n]*)$", re.MULTILINE)
_INLINE: Final = re.compile(r"`((?:make|nexo|python -m|\.venv/bin/nexo|infra/\w+\.sh) [^`]*)`")


@dataclass(frozen=True, slots=True)
class Told:
    """One command, on one line however many it took, without its comment."""

    page: str
    line: int
    text: str
    block: bool
    """Stands by itself; else within a sentence, and is perhaps only named."""


def program_of(line: str) -> str:
    """The program of a line, without the folder it lies in and the settings before it."""
    words = line.strip().lstrip("(").split()
    while words and re.match(r"[A-Z_]+=", words[0]):
        words.pop(0)
    return words[0].rpartition("/")[2] if words else ""


def blocks(page: Path) -> Iterator[tuple[int, str]]:
    """The blocks of a page that hold commands."""
    text = page.read_text("utf-8")
    for found in _FENCE.finditer(text):
        language, body = found[1].strip(), found[2]
        commands = any(program_of(each) in PROGRAMS for each in body.splitlines())
        if language.split(" ")[0] == "sh" or (not language and commands):
            yield text[: found.start()].count("\n") + 2, body
    for found in _INDENTED.finditer(text):
        yield text[: found.start(1)].count("\n") + 1, found[1]


def told() -> Iterator[Told]:
    """Every command of every page."""
    for page in PAGES:
        name = page.relative_to(ROOT).as_posix()
        for line, body in blocks(page):
            whole = re.sub(r"\\\n\s*", " ", body)
            for offset, each in enumerate(_whole_quotes(whole)):
                if command := re.sub(r"\s+#.*$|^#.*$", "", each).strip():
                    yield Told(name, line + offset, command, block=True)
        text = _FENCE.sub(lambda found: "\n" * found[0].count("\n"), page.read_text("utf-8"))
        for found in _INLINE.finditer(text):
            yield Told(name, text[: found.start()].count("\n") + 1, " ".join(found[1].split()), block=False)


def _whole_quotes(text: str) -> Iterator[str]:
    """Lines, those together that a quoted text joins."""
    line = ""
    for each in text.splitlines():
        line = f"{line}\n{each}" if line else each
        if line.count("'") % 2 == 0:
            yield line
            line = ""


TUTORIAL: Final = "tests/e2e/test_nexo.py::test_every_command_of_it_in_this_order"
LOOKS: Final = "tests/e2e/test_nexo.py::test_what_the_runbooks_look_at_can_be_looked_at"
DOES: Final = "tests/e2e/test_nexo.py::test_what_the_runbooks_say_to_do_can_be_done"
PLATFORM: Final = "tests/e2e/test_nexo.py::test_the_commands_of_the_other_pages"
AZURE: Final = "cannot: needs an Azure subscription"
LOCAL: Final = "tests/e2e/test_platform.py"
BECOMES: Final[list[tuple[str, str, str]]] = [
    # page, how the command begins, the test that runs it (or a part of it), or why it cannot run offline
    ("README.md", "make run", LOCAL),
    ("README.md", "make test", "cannot: it is what runs this test"),
    ("README.md", ".venv/bin/nexo", PLATFORM),
    ("docs/agent.md", "curl -fsSL https://hub.example.org/agent/install.sh", "tests/package/test_package.py::_install"),
    ("docs/agent.md", "~/agent/bin/nexomatic-agent run", "tests/package/test_package.py::_install"),
    ("docs/agent.md", "pip install ./agent", "tests/package/test_agent_package.py"),
    ("docs/agent.md", "export NEXOMATIC_AGENT_TOKEN", "agent/tests/test_agent_config.py"),
    ("docs/agent.md", "nexomatic-agent", TUTORIAL),
    ("docs/alerts.md", "api -X PUT $HUB/api/secrets/", "cannot: the value is yours"),
    ("docs/alerts.md", "api -X PUT $HUB/api/configuration -d @examples/alerts/by-", "tests/e2e/test_platform.py"),
    ("docs/alerts.md", "api $HUB/api/events", "tests/e2e/test_platform.py"),
    ("docs/api.md", "curl", PLATFORM),
    ("docs/audit.md", "az ", AZURE),
    ("docs/backup.md", "python -m hosting.backup", "tests/hosting/test_hosting_backup.py"),
    ("docs/bundles.md", "", "tests/e2e/test_nexo.py::test_the_how_to_as_it_is_written"),
    ("docs/cost.md", "nexo cost", "cli/tests/test_costs.py"),
    ("docs/deploy.md", "az", AZURE),
    ("docs/deploy.md", "SCM=$(az", AZURE),
    ("docs/deploy.md", "(umask 077; openssl rand", "tests/deploy/test_deploy.py"),
    ("docs/deploy.md", "make package", "tests/package/test_package.py"),
    ("docs/deploy.md", "infra/deploy.sh", "tests/deploy/test_deploy.py"),
    ("docs/deploy.md", "nexo ", "tests/e2e/test_nexo.py::test_with_a_token_from_standard_input_or_the_environment"),
    ("docs/deploy.md", "curl https://HUB.azurewebsites.net", AZURE),
    ("docs/event-grid.md", "az ", AZURE),
    ("docs/event-grid.md", "curl", PLATFORM),
    ("docs/explain.md", "curl", PLATFORM),
    ("docs/hosting.md", "python -m hosting.host", "tests/hosting/test_hosting_program.py"),
    ("docs/nexo.md", "make", "cannot: it installs from PyPI"),
    ("docs/nexo.md", ".venv/bin/nexo login https://", "cannot: the hub is yours"),
    ("docs/nexo.md", ".venv/bin/nexo", PLATFORM),
    ("docs/nexo.md", "nexo ", PLATFORM),
    ("docs/one-machine.md", "make hub-package", "cannot: it asks PyPI for wheels, and makes some 60 MB"),
    ("docs/package.md", "make package", "tests/package/test_package.py"),
    ("docs/people.md", "curl", "tests/functions/test_session.py"),
    ("docs/runbooks/", "nexo ", LOOKS),
    ("docs/runbooks/", "python -m hosting.backup", DOES),
    ("docs/secrets.md", "api -X PUT $HUB/api/", "cannot: the values are yours"),
    ("docs/settings.md", "TOKEN=", "tests/infra/test_docs_commands.py::test_a_first_admins_token_is_made_as_it_says"),
    ("docs/settings.md", "printf", "tests/infra/test_docs_commands.py::test_a_first_admins_token_is_made_as_it_says"),
    ("docs/statistics.md", "curl", PLATFORM),
    ("docs/tutorial.md", "make run", LOCAL),
    ("docs/tutorial.md", "pip install ./agent", "tests/package/test_agent_package.py"),
    ("docs/tutorial.md", "", TUTORIAL),
    ("docs/webhooks.md", "curl -X POST https://hub.example.com/hooks/…", "cannot: the address is yours"),
]


def row_of(command: Told) -> int | None:
    """The first row that speaks of it."""
    for index, (page, begins, _) in enumerate(BECOMES):
        if command.page.startswith(page) and command.text.startswith(begins):
            return index
    return None


def those_of(becomes: str) -> list[Told]:
    """The commands that are run there, in their order."""
    rows = [(each, row_of(each)) for each in told() if each.block]
    return [each for each, row in rows if row is not None and BECOMES[row][2] == becomes]
