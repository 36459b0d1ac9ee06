"""docs/formats.md names every kind of thing that has a format, at its number, and nothing that is not there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from hub.storage.keys import TABLES
from tests.formats import agent_files
from tests.formats.recorded import FOLDER, RELEASES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/formats.md").read_text("utf-8")
PACKAGES = ("hub", "hosting", "functions", "agent/nexomatic_agent", "cli/nexo_cli")
NUMBER = re.compile(r"(\w+_)?FORMAT|SCHEMA_VERSION")


def numbers() -> Iterator[tuple[str, int]]:
    """By file, every constant that is the number of a format."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for each in ast.parse(path.read_text("utf-8")).body:
                targets = each.targets if isinstance(each, ast.Assign) else [getattr(each, "target", None)]
                value = getattr(each, "value", None)
                named = any(isinstance(target, ast.Name) and NUMBER.fullmatch(target.id) for target in targets)
                if named and isinstance(value, ast.Constant) and isinstance(value.value, int):
                    yield path.relative_to(ROOT).as_posix(), value.value


def test_every_kind_is_there_at_its_number() -> None:
    said = {file: int(number) for number, file in re.findall(r"^\| .* \| (\d+) \| `(\S+\.py)` \|", PAGE, re.MULTILINE)}
    found = dict(numbers())
    assert len(found) >= 12
    assert said == found


def test_every_table_is_there() -> None:
    (named,) = re.findall(r"^\| tables whose rows.*\n\|---\|---\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", named)) == set(TABLES)


def test_every_file_of_an_agent_is_there() -> None:
    (named,) = re.findall(r"^\| files of an agent.*\n\|---\|---\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    recorded = {name.replace(agent_files.CLAIM.key, "…") for name in agent_files.read(FOLDER / RELEASES[-1])}
    assert set(re.findall(r"`(\S+)`", named)) == recorded
