"""`make hub-package`: the hub for one Linux machine, one archive that needs nothing else but the machine's Python.

    python -m tools.hub_package [--build N] [--python 3.11 3.12] [--output build]

The code, the agent's package, the unit, install.sh, and below wheels/ what requirements-local.txt pins, by hash, for
each Python; pip itself is among them, because a machine's Python need not bring one. `release.json` names every file
with its SHA-256. The archive is one of ADR 35, docs/one-machine.md says what to do with it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hub.storage.embedded.database import SCHEMA_VERSION
from hub.version import VERSION
from tools.package import AGENT_PACKAGE, add_agent
from tools.package_contents import sha256
from tools.zips import CannotPackage

ROOT: Final = Path(__file__).resolve().parents[1]
PYTHONS: Final = ("3.11", "3.12")
"""Of Debian 12 and Ubuntu 24.04. azure-functions, pinned in requirements.txt, is not published for 3.13."""
MACHINE: Final = "linux-x86_64"
RELEASE: Final = "release.json"
CODE: Final = ("function_app.py", "host.json", "functions", "hub", "hosting", "cli/nexo_cli")
TOP: Final = ("install.sh", "uninstall.sh", "nexomatic-hub", "nexo", "nexomatic-hub.service", "hub.env", "place.py")
"""What install.sh and the service need beside the code; they lie in hosting/service."""
_PLATFORMS: Final = ("manylinux_2_28", "manylinux_2_17", "manylinux2014", "manylinux_2_12", "manylinux2010")
_PLATFORMS_OLD: Final = ("manylinux_2_5", "manylinux1")


def fill(folder: Path, version: str, pythons: Sequence[str]) -> None:
    """Everything but the wheels and `release.json`."""
    for name in CODE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / "app" / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copyfile(source, folder / "app" / name)
    for name in TOP:
        shutil.copy(ROOT / "hosting/service" / name, folder / name)
    shutil.copyfile(ROOT / "requirements-local.txt", folder / "requirements.txt")
    add_agent(folder / "app" / AGENT_PACKAGE, ROOT / "agent")
    about = {"version": version, "pythons": list(pythons), "database_format": SCHEMA_VERSION}
    (folder / "about.json").write_text(json.dumps(about) + "\n")


def fetch_wheels(folder: Path, pythons: Sequence[str]) -> None:
    """What the lock files pin, for each Python, by hash. Asks PyPI. Raises CannotPackage, in pip's words."""
    folder.mkdir()
    with tempfile.TemporaryDirectory() as scratch:
        installer = Path(scratch) / "pip.txt"
        installer.write_text(_pinned("pip"))
        for python in pythons:
            for requirements in (ROOT / "requirements-local.txt", installer):
                _download(folder, python, requirements)


def _pinned(name: str) -> str:
    """The entry of a package in the development tools' lock file, hashes and all."""
    lines = (ROOT / "requirements-dev.txt").read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(f"{name}=="))
    entry = [lines[first]]
    for line in lines[first + 1 :]:
        if not line.startswith("    --hash"):
            break
        entry.append(line)
    return "\n".join(entry).rstrip(" \\") + "\n"


def _download(folder: Path, python: str, requirements: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--only-binary=:all:", "--implementation", "cp", "--python-version", python]
    for abi in (f"cp{python.replace('.', '')}", "abi3", "none"):
        command += ["--abi", abi]
    for platform in (*_PLATFORMS, *_PLATFORMS_OLD):
        command += ["--platform", f"{platform}_x86_64"]
    done = subprocess.run(  # noqa: S603 - all ours
        [*command, "-d", str(folder), "-r", str(requirements)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise CannotPackage(f"fetching the wheels for Python {python} failed:\n{done.stderr.strip()}")


def finish(folder: Path, output: Path) -> Path:
    """Write `release.json`, and the folder as an archive with its `.sha256` beside it; the same bytes each time."""
    about = json.loads((folder / "about.json").read_text())
    (folder / "about.json").unlink()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): sha256(path) for path in files}
    (folder / RELEASE).write_text(json.dumps({**about, "files": named}, indent=1) + "\n")
    archive = output / f"nexomatic-hub-{about['version']}-{MACHINE}.tar.gz"
    output.mkdir(parents=True, exist_ok=True)
    draft = archive.with_suffix(".draft")
    with (
        draft.open("wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in [*files, folder / RELEASE]:
            tar.add(path, f"nexomatic-hub-{about['version']}/{path.relative_to(folder).as_posix()}", filter=_plain)
    draft.replace(archive)
    digest = archive.with_name(f"{archive.name}.sha256")
    digest.write_text(f"{sha256(archive)}  {archive.name}\n")
    return archive


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = "root"
    entry.mode = 0o755 if entry.mode & 0o100 else 0o644
    return entry


def build(output: Path, version: str, pythons: Sequence[str] = PYTHONS) -> Path:
    """The archive. Asks PyPI for what pip has not kept from before. Raises CannotPackage."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "release"
        (folder / "app" / "cli").mkdir(parents=True)
        fill(folder, version, pythons)
        fetch_wheels(folder / "wheels", pythons)
        return finish(folder, output)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.hub_package", description="Build the hub for one machine.")
    parser.add_argument("--build", help="tells builds of one version apart: it becomes VERSION-BUILD")
    parser.add_argument(
        "--python", nargs="+", default=list(PYTHONS), help="the machine's Python (default: %(default)s)"
    )
    parser.add_argument("--output", type=Path, default=ROOT / "build", help="the folder to write into")
    arguments = parser.parse_args(argv)
    version = f"{VERSION}-{arguments.build}" if arguments.build else VERSION
    try:
        archive = build(arguments.output, version, arguments.python)
    except CannotPackage as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{os.path.relpath(archive)}: {archive.stat().st_size / 1e6:.1f} MB, sha256 {sha256(archive)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
