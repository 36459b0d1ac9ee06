"""What the docs say is tested, is: each test that they name exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"`((?:agent/|cli/)?tests/[\w./-]+?\.py)(?:::(\w+))?`")
FOLDER = re.compile(r"`((?:agent/|cli/)?tests(?:/[\w-]+)*)/?`")
DOCS = sorted((ROOT / "docs").rglob("*.md"))


def missing(text: str) -> list[str]:
    """The tests named in this text that are not there."""
    absent = [folder for folder in FOLDER.findall(text) if not (ROOT / folder).is_dir()]
    for file, name in NAMED.findall(text):
        path = ROOT / file
        if not path.is_file():
            absent.append(file)
        elif name and name not in _names(path):
            absent.append(f"{file}::{name}")
    return absent


def _names(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {
        each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_each_test_that_is_named_exists(page: Path) -> None:
    assert missing(page.read_text()) == []


def test_the_threat_model_names_a_test_for_each_promise() -> None:
    text = (ROOT / "docs/security.md").read_text()
    promised = re.findall(r"\| promised \| held by \|\n\|[-|]+\|\n((?:\|.*\n)+)", text)
    assert len(promised) == 7, "one table for each border"
    for row in "".join(promised).splitlines():
        assert NAMED.search(row), row


def test_what_is_not_there_is_noticed() -> None:
    text = "`tests/unit/test_nothing.py`, `tests/unit/test_ids.py::test_nothing`, `tests/no`, `tests/unit/test_ids.py`"
    assert missing(text) == ["tests/no", "tests/unit/test_nothing.py", "tests/unit/test_ids.py::test_nothing"]
