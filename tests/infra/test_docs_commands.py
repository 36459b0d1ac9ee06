"""What people are told to type exists, and is run by a test or cannot be run here for a reason that is written down."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import typer.main
from nexo_cli.app import app

from hub.people.roles import ROUTES
from tests.infra.docs_commands import BECOMES, PAGES, PROGRAMS, ROOT, Told, blocks, program_of, row_of, told

COMMANDS: Final = list(told())
ALIASES: Final = {".venv/bin/nexo": "nexo"}


def where(command: Told) -> str:
    return f"{command.page}:{command.line}: {command.text}"


def test_each_command_is_run_by_a_test_or_has_a_reason() -> None:
    alone = [each for each in COMMANDS if each.block]
    assert len(alone) > 60
    assert [where(each) for each in alone if row_of(each) is None] == []
    used = {row_of(each) for each in alone}
    assert [row for index, row in enumerate(BECOMES) if index not in used] == []


@pytest.mark.parametrize("becomes", sorted({row[2] for row in BECOMES}))
def test_the_test_that_is_named_is_there(becomes: str) -> None:
    if becomes.startswith("cannot: "):
        assert len(becomes.split()) > 3
        return
    path, _, name = becomes.partition("::")
    assert (ROOT / path).exists()
    assert not name or f"def {name}(" in (ROOT / path).read_text()


def test_no_block_with_commands_in_it_is_overlooked() -> None:
    """A block in a language of its own, in which somebody is told to type something."""
    for page in PAGES:
        known = "".join(body for _, body in blocks(page))
        for line in page.read_text("utf-8").splitlines():
            if re.match(r"(\.venv/bin/)?(nexo|make|az|azd|curl|python -m) \S", line) and "|" not in line[:2]:
                assert line in known or not _in_a_fence(page, line), f"{page.name}: {line}"


def _in_a_fence(page: Path, line: str) -> bool:
    return bool(re.search(rf"^```[^\n]*\n(?:(?!^```).*\n)*?{re.escape(line)}$", page.read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("command", [each for each in COMMANDS if program_of(each.text) == "make"], ids=where)
def test_targets_of_make_exist_and_take_what_they_are_given(command: Told) -> None:
    makefile = (ROOT / "Makefile").read_text()
    target, *given = command.text.split()[1:] or ["help"]
    assert re.search(rf"(?m)^{re.escape(target)}:", makefile)
    for each in given:
        name = re.fullmatch(r"([A-Z_]+)=\S+", each)
        assert name is None or f"$({name[1]})" in makefile or f"$(if $({name[1]})" in makefile, each


def test_modules_of_python_exist_and_know_the_options() -> None:
    found = [(each, re.search(r"python -m ([\w.]+)(.*)", each.text)) for each in COMMANDS]
    asked = [(each, match) for each, match in found if match is not None]
    assert len(asked) > 6
    for command, match in asked:
        spec = importlib.util.find_spec(match[1])
        assert spec is not None, where(command)
        folder = Path(next(iter(spec.submodule_search_locations))) if spec.submodule_search_locations else None
        main = Path(spec.origin or "")
        assert folder is None or (folder / "__main__.py").exists(), where(command)
        source = "".join(each.read_text() for each in (folder.glob("*.py") if folder else [main]))
        for option in re.findall(r"(?<![\w-])--[a-z][\w-]+", match[2]):
            assert f'"{option}"' in source, where(command)


@pytest.mark.parametrize("page", sorted({each.page for each in COMMANDS if "nexo " in each.text}))
def test_commands_of_nexo_and_their_options_exist(page: str) -> None:
    root = typer.main.get_command(app)
    for command in COMMANDS:
        if command.page != page:
            continue
        for call in re.findall(r"(?<![\w/-])(?:\.venv/bin/)?nexo ([^|;&<>()]+)", command.text):
            _check(root, re.sub(r"'[^']*'|\"[^\"]*\"", "TEXT", call).split(), where(command))


def _check(command: Any, words: list[str], at: str) -> None:
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        assert words[0] in command.commands, f"{at}: there is no nexo … {words[0]}"
        command = command.commands[words.pop(0)]
    known = {option for each in command.params for option in each.opts} | {"--help", "--install-completion"}
    for each in words:
        if re.match(r"--?[a-z]", each):
            assert each.partition("=")[0] in known, f"{at}: there is no option {each}"


def test_addresses_of_the_api_exist() -> None:
    known = [re.sub(r"\\{\w+\\}", r"[^/?]+", re.escape(each.partition(" ")[2])) for each in ROUTES]
    asked = [
        (command, path)
        for command in COMMANDS
        for path in re.findall(r"(?:\$HUB|https://hub\.example\.com)(/api/[^\s?\"']*)", command.text)
    ]
    assert len(asked) > 8
    for command, path in asked:
        assert any(re.fullmatch(each, path) for each in known), where(command)


def test_a_first_admins_token_is_made_as_it_says() -> None:
    lines = [each.text for each in COMMANDS if each.page == "docs/settings.md" and each.block]
    done = subprocess.run(["bash", "-euc", "\n".join(lines)], capture_output=True, text=True, check=True, timeout=30)
    assert re.fullmatch(r"[0-9a-f]{64} +-\n", done.stdout)


def test_every_program_is_told_somewhere() -> None:
    """What is looked for is what there is."""
    assert {program_of(each.text) for each in COMMANDS if each.block} >= PROGRAMS - {"openssl"}
