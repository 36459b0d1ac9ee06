"""What is known fails; what could not be asked is said, fails `make audit`, and lets `make lint` be."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.registries import NPM_ADVISORIES, Registries
from tools import dependency_audit
from tools.accepted_advisories import read
from tools.dependency_audit import ACCEPTED, LOCKS, ROOT, NotAsked, Run

TODAY = datetime.now(UTC).date()
CLEAN = {"dependencies": [{"name": "a", "version": "1", "vulns": []}]}
VULNERABLE = {
    "dependencies": [
        {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"], "aliases": ["CVE-1"]}]}
    ]
}
SKIPPED = {"dependencies": [{"name": "a", "skip_reason": "not found on PyPI"}]}
NO_FINDINGS: dict[str, Any] = {"vulnerabilities": {}}
SEVERE = {
    "vulnerabilities": {
        "b": {"name": "b", "via": [{"name": "b", "url": "https://x/GHSA-b", "range": "<2", "severity": "high"}]},
        "who-needs-b": {"name": "who-needs-b", "via": ["b"]},
    }
}
HASH = f"--hash=sha256:{64 * '0'}"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with four lock files for Python and one for npm; PyPI answers for the first package."""
    for lock, pins in zip(LOCKS, ("one==1.0", "one==1.0", "one==1.0|two==2.0", "one==1.0"), strict=True):
        (tmp_path / lock).write_text("".join(f"{pin} {HASH}\n" for pin in pins.split("|")))
    (tmp_path / "tools").mkdir()
    (tmp_path / ACCEPTED).write_text("")
    package = {"version": "1.0.0", "resolved": "https://registry.npmjs.org/b/-/b-1.0.0.tgz"}
    packages = {"": {"dependencies": {"b": "1.0.0"}}, "node_modules/b": package}
    (tmp_path / "package.json").write_text(json.dumps(packages[""]))
    (tmp_path / "package-lock.json").write_text(json.dumps({"lockfileVersion": 3, "packages": packages}))
    monkeypatch.setattr(dependency_audit, "_first_answer", lambda _: None)
    return tmp_path


@pytest.fixture
def registries(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registries]:
    """In place of those that the machine would ask."""
    monkeypatch.undo()  # PyPI's first answer too
    served = Registries(root)
    for name in ("HTTPS_PROXY", "https_proxy", "npm_config_registry"):
        monkeypatch.setenv(name, served.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(served.certificate))
    with served.serving():
        yield served


def answering(pip: Any, npm: Any) -> Run:
    def ask(command: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
        said = pip if "pip_audit" in command else npm
        if isinstance(said, Exception):
            raise said
        text, error = ("", said) if isinstance(said, str) else (json.dumps(said), "")
        return subprocess.CompletedProcess(command, 0, text, error)

    return ask


def accept(root: Path, package: str, advisory: str, days: int) -> None:
    until = TODAY + timedelta(days=days)
    entry = f'[[advisory]]\nid = "{advisory}"\npackage = "{package}"\nreason = "not called"\nuntil = {until}\n'
    (root / ACCEPTED).write_text((root / ACCEPTED).read_text() + entry)


@pytest.mark.parametrize(
    ("pip", "npm", "audit", "lint", "said"),
    [
        (CLEAN, NO_FINDINGS, 0, 0, "Python packages: nothing else known"),
        (VULNERABLE, NO_FINDINGS, 1, 1, "a 1: PYSEC-1 (fixed in 2)"),
        (CLEAN, SEVERE, 1, 1, "b <2: GHSA-b (high)"),
        (SKIPPED, NO_FINDINGS, 2, 0, "Python packages: could not be asked: PyPI does not know 1 of 1, such as a"),
        ("a line\nconnection refused\n", NO_FINDINGS, 2, 0, "Python packages: could not be asked: connection refused"),
        (NotAsked("it took longer than 9 s"), NO_FINDINGS, 2, 0, "could not be asked: it took longer than 9 s"),
        (
            CLEAN,
            {"message": "405 Method Not Allowed"},
            2,
            0,
            "npm packages: could not be asked: 405 Method Not Allowed",
        ),
        (CLEAN, "", 2, 0, "npm packages: could not be asked: it said nothing"),
        (SKIPPED, SEVERE, 1, 1, "b <2: GHSA-b (high)"),
    ],
)
def test_what_it_says_and_how_it_ends(
    root: Path, capsys: pytest.CaptureFixture[str], pip: Any, npm: Any, audit: int, lint: int, said: str
) -> None:
    assert dependency_audit.main([], answering(pip, npm), root) == audit
    assert said in capsys.readouterr().out
    assert dependency_audit.main(["--lint"], answering(pip, npm), root) == lint
    printed = capsys.readouterr().out.splitlines()
    assert not any("who-needs-b" in line for line in printed)
    assert all("(make audit repeats it)" in line for line in printed if "could not be asked" in line)


@pytest.mark.parametrize("name", ["PYSEC-1", "CVE-1"])
def test_what_is_accepted_does_not_fail_by_whichever_name(
    root: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    accept(root, "a", name, days=0)
    assert dependency_audit.main([], answering(VULNERABLE, NO_FINDINGS), root, TODAY) == 0
    assert f"accepted until {TODAY}: not called" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("package", "name", "days", "pip", "said"),
    [
        ("a", "CVE-1", -1, VULNERABLE, "PYSEC-1 (fixed in 2); its acceptance expired on"),
        ("c", "CVE-1", 9, VULNERABLE, "a 1: PYSEC-1 (fixed in 2)"),
        ("a", "CVE-2", 9, VULNERABLE, "a 1: PYSEC-1 (fixed in 2)"),
        ("a", "CVE-1", 9, CLEAN, "a: CVE-1 is accepted, but not found any more"),
        ("a", "CVE-1", -1, "nobody answers", "a: CVE-1: its acceptance expired on"),
    ],
)
def test_an_acceptance_that_is_over_of_something_else_or_of_nothing_fails(
    root: Path, capsys: pytest.CaptureFixture[str], package: str, name: str, days: int, pip: Any, said: str
) -> None:
    accept(root, package, name, days)
    assert dependency_audit.main(["--lint"], answering(pip, NO_FINDINGS), root, TODAY) == 1
    assert said in capsys.readouterr().out


def test_what_nobody_could_be_asked_about_is_not_said_to_be_gone(root: Path) -> None:
    accept(root, "a", "CVE-1", days=9)
    assert dependency_audit.main(["--lint"], answering("nobody answers", NO_FINDINGS), root) == 0


@pytest.mark.parametrize(
    "text",
    [
        "advisory = 1",
        '[[advisories]]\nid = "1"',
        '[[advisory]]\nid = "1"\npackage = "a"\nreason = "x"',
        '[[advisory]]\nid = "1"\npackage = "a"\nreason = ""\nuntil = 2026-01-01',
        '[[advisory]]\nid = "1"\npackage = "a"\nreason = "x"\nuntil = "2026-01-01"',
        '[[advisory]]\nid = "1"\npackage = "a"\nreason = "x"\nuntil = 2026-01-01\nwho = "me"',
    ],
)
def test_a_list_that_says_too_little_is_refused(root: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (root / ACCEPTED).write_text(text)
    assert dependency_audit.main(["--lint"], answering(CLEAN, NO_FINDINGS), root) == 1
    assert "accepted-advisories.toml" in capsys.readouterr().out


def test_both_registries_are_asked_once_about_everything(
    root: Path, registries: Registries, capsys: pytest.CaptureFixture[str]
) -> None:
    registries.pypi = {"one/1.0": [], "two/2.0": [known("PYSEC-1", "CVE-1"), known("PYSEC-2", "CVE-2")]}
    registries.npm = {
        "b": [{"id": 1, "url": "https://x/GHSA-b", "severity": "high", "title": "x", "vulnerable_versions": "<2"}]
    }
    accept(root, "two", "CVE-2", days=9)
    assert dependency_audit.main([], root=root) == 1
    printed = capsys.readouterr().out
    assert "two 2.0: PYSEC-1 (fixed in 3.0)\n" in printed
    assert "two 2.0: PYSEC-2 (fixed in 3.0): accepted until" in printed
    assert "b <2: GHSA-b (high)\n" in printed
    assert "could not be asked" not in printed
    assert registries.asked.count("/pypi/two/2.0/json") == 1
    assert (root / dependency_audit.CACHE).is_dir()


def test_half_an_answer_is_none(root: Path, registries: Registries, capsys: pytest.CaptureFixture[str]) -> None:
    registries.pypi, registries.npm = {"one/1.0": []}, None
    assert dependency_audit.main(["--lint"], root=root) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Python packages: could not be asked: PyPI does not know 1 of 2, such as two (make audit repeats it)",
        f"npm packages: could not be asked: 405 Method Not Allowed - POST {registries.url}{NPM_ADVISORIES}"
        " (make audit repeats it)",
    ]


def test_where_the_first_is_not_answered_no_other_is_asked(
    root: Path, registries: Registries, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Sequence[str]] = []

    def ask(command: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        return answering(CLEAN, NO_FINDINGS)(command, seconds)

    assert dependency_audit.main(["--lint"], ask, root) == 0
    assert "PyPI answers 404 for one 1.0" in capsys.readouterr().out
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    assert dependency_audit.main([], ask, root) == 2
    assert "PyPI cannot be reached (ProxyError)" in capsys.readouterr().out
    assert not any("pip_audit" in command for command in calls)


def test_it_waits_no_longer_than_it_may() -> None:
    with pytest.raises(NotAsked, match="it took longer than 0 s"):
        dependency_audit.run(["sleep", "60"], 0.05)


def test_without_npm_its_packages_are_not_audited(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert dependency_audit.main([], answering(CLEAN, NO_FINDINGS), root) == 2
    assert "npm is not installed" in capsys.readouterr().out


def test_every_lock_file_is_audited_and_the_list_is_sound() -> None:
    assert set(LOCKS) == {each.name for each in ROOT.glob("requirements*.txt")}
    assert (ROOT / ACCEPTED).exists()
    read(ROOT / ACCEPTED)


def known(name: str, alias: str) -> dict[str, Any]:
    return {"id": name, "aliases": [alias], "fixed_in": ["3.0"], "summary": "x", "published": "2026-01-01T00:00:00Z"}
