"""The agent's package: the same bytes when built again, complete, and at work once pip has installed it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from nexomatic_agent.version import VERSION

from tests.package.unpacked import ROOT
from tools.agent_package import MANIFEST, build
from tools.zips import CannotPackage

AGENT = ROOT / "agent"


def copied(folder: Path) -> Path:
    """The agent's source tree, with other times and modes than its own."""
    shutil.copytree(AGENT / "nexomatic_agent", folder / "nexomatic_agent", copy_function=shutil.copyfile)
    shutil.copyfile(AGENT / "pyproject.toml", folder / "pyproject.toml")
    for path in folder.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o700)
    return folder


def test_built_again_from_a_copy_it_is_the_same_bytes_and_the_manifest_says_which(tmp_path: Path) -> None:
    wheel, again = build(tmp_path / "one"), build(tmp_path / "two", copied(tmp_path / "source"))
    assert again.read_bytes() == wheel.read_bytes()
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    manifest = json.loads((tmp_path / "one" / MANIFEST).read_text())
    assert manifest == {"version": VERSION, "file": wheel.name, "sha256": digest}
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == sorted([MANIFEST, wheel.name])


def test_all_of_the_agent_is_in_it_and_nothing_else(tmp_path: Path) -> None:
    with zipfile.ZipFile(build(tmp_path)) as wheel:
        found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    there = (path for path in (AGENT / "nexomatic_agent").rglob("*") if path.is_file() and path.suffix != ".pyc")
    assert found == {path.relative_to(AGENT).as_posix() for path in there}


def test_a_file_that_would_be_missed_is_refused(tmp_path: Path) -> None:
    source = copied(tmp_path / "source")
    (source / "nexomatic_agent" / "list.txt").write_text("needed\n")
    with pytest.raises(CannotPackage, match=r"does not name nexomatic_agent/list\.txt"):
        build(tmp_path / "out", source)
    assert not (tmp_path / "out").exists()


def test_a_link_is_refused(tmp_path: Path) -> None:
    source = copied(tmp_path / "source")
    (source / "nexomatic_agent" / "linked.py").symlink_to(source / "nexomatic_agent" / "version.py")
    with pytest.raises(CannotPackage, match=r"nexomatic_agent/linked\.py"):
        build(tmp_path / "out", source)


@pytest.mark.processes
def test_pip_installs_it_and_the_command_runs_a_module(tmp_path: Path) -> None:
    wheel, site = build(tmp_path / "built"), tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "--isolated", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-index", "--no-deps", "--target", str(site), str(wheel)], check=True)
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "greet.py").write_text("def run(payload, params, context):\n    return {'greeting': params['word']}\n")
    ran = subprocess.run(
        [str(site / "bin" / "nexomatic-agent"), "exec", "greet:run", "--param", "word=hello"],
        cwd=modules,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["data"] == {"greeting": "hello"}
