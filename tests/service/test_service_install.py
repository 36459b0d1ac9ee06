"""install.sh and uninstall.sh below another folder, with releases of a small app. A clean Debian is in `make soak`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.service.releases import make_release, write_manifest


def run(*command: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    told = {**os.environ, "PYTHON": sys.executable, **environ}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=told)


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir() or path.is_symlink()}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_release(tmp_path_factory.mktemp("releases") / "one", "1.0")


def test_installed_after_a_killed_try_run_and_taken_away_again(release: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for folder in ("usr/local/bin", "etc/nexomatic-hub", "opt/nexomatic/releases/.1.0.partial"):
        (root / folder).mkdir(parents=True)
    (root / "usr/local/bin/other").touch()
    (root / "etc/nexomatic-hub/hub.env").write_text("NEXOMATIC_PORT=8000\n")
    (root / "opt/nexomatic/releases/.1.0.partial/half").touch()
    (root / "opt/nexomatic/installing").touch()
    installed = run(release / "install.sh", "--root", root)
    assert (installed.returncode, installed.stderr) == (0, "")
    assert (root / "opt/nexomatic/current").readlink() == Path("releases/1.0")
    assert sorted(each.name for each in (root / "opt/nexomatic").iterdir()) == ["current", "releases"]
    assert [each.name for each in (root / "opt/nexomatic/releases").iterdir()] == ["1.0"]
    assert (root / "var/lib/nexomatic-hub").stat().st_mode & 0o777 == 0o700
    assert (root / "etc/nexomatic-hub/hub.env").read_text() == "NEXOMATIC_PORT=8000\n"
    said = run(root / "opt/nexomatic/current/nexomatic-hub", "serve")
    assert said.stdout == "hub small serve\n"
    writable = [path for path in (root / "opt").rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o022]
    assert writable == []

    (root / "var/lib/nexomatic-hub/nexomatic.db").touch()
    assert run(root / "opt/nexomatic/current/uninstall.sh", "--root", root).returncode == 0
    kept = {"usr/local/bin/other", "var/lib/nexomatic-hub/nexomatic.db", "etc/nexomatic-hub/hub.env"}
    assert files(root) == kept
    assert run(release / "uninstall.sh", "--root", root, "--purge").returncode == 0
    assert files(root) == {"usr/local/bin/other"}


def test_a_second_install_is_an_upgrade_and_says_so(release: Path, tmp_path: Path) -> None:
    (tmp_path / "opt/nexomatic/current").mkdir(parents=True)
    again = run(release / "install.sh", "--root", tmp_path)
    assert again.returncode == 1
    assert "nexomatic-hub upgrade ARCHIVE" in again.stderr


def tampered(release: Path) -> None:
    (release / "app/function_app.py").write_text("import evil\n")


def with_stranger(release: Path) -> None:
    (release / "app/stranger.py").touch()


def with_link(release: Path) -> None:
    (release / "app/function_app.py").unlink()
    (release / "app/function_app.py").symlink_to("/dev/null")


def with_changed_wheel(release: Path) -> None:
    """Named by release.json as it is now, but not by the lock file."""
    (wheel,) = (release / "wheels").glob("small-*.whl")
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    about = json.loads((release / "release.json").read_text())
    write_manifest(release, {name: about[name] for name in about if name != "files"})


def for_another_python(release: Path) -> None:
    about = json.loads((release / "release.json").read_text())
    write_manifest(release, {"version": about["version"], "pythons": ["2.7"]})


def with_broken_app(release: Path) -> None:
    (release / "app/function_app.py").write_text("import not_there\n")
    about = json.loads((release / "release.json").read_text())
    write_manifest(release, {name: about[name] for name in about if name != "files"})


def with_a_path_for_a_version(release: Path) -> None:
    about = json.loads((release / "release.json").read_text())
    (release / "release.json").write_text(json.dumps({**about, "version": "../../etc"}))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (tampered, "function_app.py is missing, or is not what release.json says"),
        (with_stranger, "does not name app/stranger.py"),
        (with_link, "function_app.py is missing, or is not"),
        (with_changed_wheel, "HASH"),
        (for_another_python, "this archive is for Python 2.7"),
        (with_broken_app, "not_there"),
        (with_a_path_for_a_version, "names no version"),
    ],
)
def test_what_is_not_whole_or_does_not_run_is_not_put_in_place(
    tmp_path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    release = make_release(tmp_path / "spoilt", "1.0")
    spoil(release)
    installed = run(release / "install.sh", "--root", tmp_path / "root")
    assert installed.returncode != 0
    assert words in installed.stderr
    assert not (tmp_path / "root/opt/nexomatic/current").exists()
    there = [each.name for each in (tmp_path / "root/opt/nexomatic/releases").glob("[!.]*")]
    assert there == []
