"""`make audit` fails on what is known, and on what could not be looked up; only then is silence good news."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from tools import dependency_audit
from tools.dependency_audit import LOCKS, Run

CLEAN = {"dependencies": [{"name": "a", "version": "1", "vulns": []}]}
NO_FINDINGS: dict[str, Any] = {"vulnerabilities": {}}


def answering(pip: Any, npm: Any) -> Run:
    def ask(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        said = pip if "pip_audit" in command else npm
        text, error = ("", said) if isinstance(said, str) else (json.dumps(said), "")
        return subprocess.CompletedProcess(command, 0, text, error)

    return ask


@pytest.fixture(autouse=True)
def npm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/npm")


VULNERABLE = {"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}]}
SKIPPED = {"dependencies": [{"name": "a", "skip_reason": "not found on PyPI"}]}
SEVERE = {"vulnerabilities": {"b": {"name": "b", "range": "<2", "severity": "high"}}}


@pytest.mark.parametrize(
    ("pip", "npm", "status", "said"),
    [
        (CLEAN, NO_FINDINGS, 0, "nothing known"),
        (VULNERABLE, NO_FINDINGS, 1, "a 1: CVE-1 (fixed in 2)"),
        (CLEAN, SEVERE, 1, "b <2: high"),
        (SKIPPED, NO_FINDINGS, 2, "NOT AUDITED: 1 of 1 packages, such as a: not found on PyPI"),
        ("a line\nconnection refused\n", NO_FINDINGS, 2, "NOT AUDITED: connection refused"),
        (CLEAN, {"message": "405 Method Not Allowed"}, 2, "NOT AUDITED: 405 Method Not Allowed"),
        (CLEAN, "", 2, "NOT AUDITED: it said nothing"),
        (SKIPPED, SEVERE, 1, "b <2: high"),
    ],
)
def test_what_it_says_and_how_it_ends(
    capsys: pytest.CaptureFixture[str], pip: Any, npm: Any, status: int, said: str
) -> None:
    assert dependency_audit.main(answering(pip, npm)) == status
    assert said in capsys.readouterr().out


def test_without_npm_its_packages_are_not_audited(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert dependency_audit.main(answering(CLEAN, NO_FINDINGS)) == 2
    assert "npm is not installed" in capsys.readouterr().out


def test_every_lock_file_is_audited() -> None:
    assert set(LOCKS) == {each.name for each in dependency_audit.ROOT.glob("requirements*.txt")}
