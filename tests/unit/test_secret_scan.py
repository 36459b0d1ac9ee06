"""The scan for secrets: what it finds, what it lets pass, and that everything here has been looked at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools import secret_scan

ROOT = Path(__file__).resolve().parents[2]
PLANTED = "ghp_" + "x1Y2z3A4b5C6d7E8f9G0h1I2j3K4l5M6n7O8"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".gitignore").write_text("/ignored/\n*.log\n.secrets_cache\n")
    for name in ("code.py", "ignored/x.py", "out.log", "package-lock.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'token = "{PLANTED}"\n')
    return tmp_path


def test_a_secret_is_found_and_never_printed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert secret_scan.main([], project) == 1
    said = capsys.readouterr().err
    assert "code.py:1: GitHub Token" in said
    assert PLANTED not in said
    assert "ignored" not in said
    assert "lock" not in said


def test_it_is_found_again_though_the_file_did_not_change(project: Path) -> None:
    assert secret_scan.main([], project) == 1
    assert secret_scan.main([], project) == 1


def test_written_into_the_baseline_it_still_has_to_be_looked_at(project: Path) -> None:
    assert secret_scan.main(["--write"], project) == 1
    baseline = project / ".secrets.baseline"
    assert PLANTED not in baseline.read_text()
    for verdict, status in ((True, 1), (False, 0)):
        document = json.loads(baseline.read_text())
        for each in document["results"]["code.py"]:
            each["is_secret"] = verdict
        baseline.write_text(json.dumps(document))
        assert secret_scan.main([], project) == status
    assert secret_scan.main(["--write"], project) == 0, "what was said stays"
    (project / "code.py").write_text(f'token = "{PLANTED[::-1]}"\npassword = "{PLANTED}x"\nother = "{PLANTED[:-1]}9"\n')
    assert secret_scan.main([], project) == 1, "another secret in the same file"


def test_everything_in_the_baseline_of_this_project_was_looked_at_and_is_there_still() -> None:
    verdicts = secret_scan.reviewed(ROOT / ".secrets.baseline")
    assert verdicts
    assert set(verdicts.values()) == {False}
    assert all((ROOT / file).is_file() for file, _, _ in verdicts)
