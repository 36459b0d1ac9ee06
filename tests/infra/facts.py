"""What agreement is looked for between: the text of every file that speaks of names, and what the code says itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from lark import Tree

from hosting.service.serving import OPTIONS
from hub.people.roles import ROUTES
from hub.rules.metrics import METRICS, Scope
from hub.settings_table import SETTINGS, Setting
from hub.storage import keys
from hub.upkeep.heartbeat import LATE
from tools.bicep.parse import key_of, pairs, text_of, trees
from tools.bicep.template import Template, read
from tools.package import AZURE

ROOT: Final = Path(__file__).resolve().parents[2]
BICEP: Final = "infra/bicep"
APP: Final = f"{BICEP}/modules/functionapp.bicep"
STORAGE: Final = f"{BICEP}/modules/storage.bicep"
ROLES: Final = f"{BICEP}/modules/roles.bicep"
ALERTS: Final = f"{BICEP}/modules/alerts.bicep"
MAIN: Final = f"{BICEP}/main.bicep"
EVENTS: Final = f"{BICEP}/events.bicep"
DEPLOY: Final = "infra/deploy.sh"
_READ: Final = (
    "host.json",
    "local.settings.example.json",
    "requirements.txt",
    "azure.yaml",
    "Makefile",
    "README.md",
    "CONTRIBUTING.md",
    "tests/functions/bindings.json",
    "docs/**/*.md",
    "infra/**/*.*",
    "functions/*.py",
)


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it. The code's part is what the code imports and runs, not what its text says."""

    files: Mapping[str, str]
    settings: tuple[Setting, ...] = SETTINGS
    of_one_machine: frozenset[str] = frozenset(OPTIONS.values())
    """Settings of the service of one machine, and of it alone."""
    tables: tuple[str, ...] = keys.TABLES
    containers: tuple[str, ...] = keys.CONTAINERS
    anchors: str = keys.ANCHORS
    queues: tuple[str, ...] = ()
    """With fixed names. The hub makes all of its queues itself, one for each SinkType and each pinned sink."""
    routes: frozenset[str] = frozenset(ROUTES)
    metrics: frozenset[str] = frozenset(each.name for each in METRICS if each.scope is Scope.HUB)
    """Those of the whole hub; each process tells its own of the others."""
    python: str = AZURE.python
    late_seconds: int = int(LATE.total_seconds())

    def changed(self, path: str, text: str) -> Facts:
        return replace(self, files={**self.files, path: text})

    def edited(self, path: str, old: str, new: str) -> Facts:
        assert old in self.files[path], f"{path} does not say {old!r} any more"
        return self.changed(path, self.files[path].replace(old, new))

    def template(self, path: str) -> Template:
        return read(self.files[path], path)

    def json(self, path: str) -> Any:
        return json.loads(self.files[path])

    def matching(self, start: str, end: str = "") -> dict[str, str]:
        return {path: text for path, text in self.files.items() if path.startswith(start) and path.endswith(end)}

    @property
    def functions(self) -> dict[str, dict[str, Any]]:
        """Every function with its trigger."""
        golden = self.json("tests/functions/bindings.json")
        return {
            name: next(each for each in function["bindings"] if each["type"].endswith("Trigger"))
            for name, function in golden.items()
        }

    @property
    def app_settings(self) -> dict[str, Any]:
        """What the template tells the app: name and expression."""
        return objects(self.template(APP), "appSettings")


@lru_cache(maxsize=1)
def of_this_tree() -> Facts:
    found = {each for pattern in _READ for each in ROOT.glob(pattern) if each.is_file()}
    return Facts({each.relative_to(ROOT).as_posix(): each.read_text() for each in sorted(found)})


def objects(template: Template, name: str) -> dict[str, Any]:
    """The pairs of a variable that is an object, values as expressions; none if there is no such variable."""
    declared = template.named(name)
    if declared is None or not isinstance(declared.value, Tree):
        return {}
    return {key_of(key) or "": value for key, value in pairs(declared.value)}


def texts(template: Template, name: str) -> list[str] | None:
    """The elements of a variable that is a list of texts; None if there is no such variable."""
    declared = template.named(name)
    if declared is None or not isinstance(declared.value, Tree) or declared.value.data != "array":
        return None
    return [text_of(each) or "" for each in trees(declared.value)]


def without(facts: Facts, path: str, name: str) -> Iterator[tuple[str, Facts]]:
    """Everything once with one element of an object or a list taken out of a template's text."""
    declared = facts.template(path).named(name)
    assert declared is not None
    for each in trees(declared.value):
        tokens = list(each.scan_values(lambda _: True))
        start, end = tokens[0].start_pos, each.meta.end_pos
        text = facts.files[path]
        yield str(tokens[0]).strip("'"), facts.changed(path, text[:start] + text[end:])


def without_resources(facts: Facts, path: str, kind: str) -> Iterator[tuple[str, Facts]]:
    """The same with each resource of a type."""
    text = facts.files[path]
    for node in trees(facts.template(path).tree):
        if node.data == "resource" and f"'{kind}@" in text[node.meta.start_pos : node.meta.end_pos].split("\n", 1)[0]:
            yield str(node.children[1]), facts.changed(path, text[: node.meta.start_pos] + text[node.meta.end_pos :])


def rows(markdown: str) -> list[list[str]]:
    """The cells of every row of every table, without their code marks."""
    found = re.findall(r"^\| (.+) \|$", markdown, re.MULTILINE)
    return [[cell.strip().strip("`") for cell in each.split(" | ")] for each in found]
