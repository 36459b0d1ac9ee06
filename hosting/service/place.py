"""Puts a release in its place: checks every file, makes its environment from the wheels that it brings, tries it.

    python3 place.py UNPACKED RELEASES

Run by install.sh and by `nexomatic-hub upgrade`, out of the archive, by the machine's own Python: nothing but the
standard library is there yet. A release is there whole or not at all: it is made beside and renamed. Killed at any
line, it is made anew by the next run. Prints the folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]{0,63}")


class CannotPlace(Exception):
    """The release is not usable here, and the message says why."""


def place(unpacked: Path, releases: Path) -> Path:
    """The folder of the release below `releases`. Raises CannotPlace, OSError."""
    release = check(unpacked)
    place_ = releases / str(release["version"])
    if place_.exists():
        if _read(place_) != release:
            raise CannotPlace(f"{place_} is another build of {release['version']}: give this one a number of its own")
        return place_
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    if running not in release["pythons"]:
        raise CannotPlace(f"this archive is for Python {', '.join(release['pythons'])}, and here is {running}")
    partial = releases / f".{release['version']}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    releases.mkdir(parents=True, exist_ok=True)
    shutil.copytree(unpacked, partial)
    _make_environment(partial)
    _close(partial)
    os.sync()  # what `current` leads to after a power loss must be whole
    partial.rename(place_)
    return place_


def check(folder: Path) -> dict[str, Any]:
    """What `release.json` says, once every file is what it names and there is no other. Raises CannotPlace."""
    release = _read(folder)
    if not VERSION.fullmatch(str(release.get("version"))):
        raise CannotPlace("release.json names no version")
    there = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()
    }
    named = release["files"]
    if strangers := sorted(there - set(named) - {"release.json"}):
        raise CannotPlace(f"release.json does not name {strangers[0]}")
    for name, digest in named.items():
        path = folder / name
        if path.is_symlink() or not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise CannotPlace(f"{name} is missing, or is not what release.json says")
    return release


def _read(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / "release.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CannotPlace(f"{folder} holds no release: {error}") from None
    return found


def _make_environment(folder: Path) -> None:
    """From the wheels alone, each held against its hash. The network is not asked."""
    venv.create(folder / "venv", symlinks=True, with_pip=False)
    python = folder / "venv/bin/python"
    (pip,) = (folder / "wheels").glob("pip-*.whl")
    command: list[str | Path] = [
        python,
        pip / "pip",
        "install",
        "-qq",
        "--no-index",
        "--find-links",
        folder / "wheels",
        "--no-deps",
    ]
    command += ["--require-hashes", "--no-compile", "--disable-pip-version-check", "-r", folder / "requirements.txt"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    run(command, folder, {**environ, "PIP_CONFIG_FILE": os.devnull})
    # The service may write nothing here, so what Python would keep of its modules is made now.
    run([python, "-m", "compileall", "-q", "app", "venv/lib"], folder, environ)
    run([python, "-c", "import function_app, hosting.service.__main__"], folder / "app", environ)
    shutil.rmtree(folder / "wheels")


def run(command: Sequence[str | Path], folder: Path, environ: Mapping[str, str]) -> None:
    """Run to the end. Raises CannotPlace with the last words."""
    done = subprocess.run(  # noqa: S603 - all ours
        [str(each) for each in command], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise CannotPlace(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()[-2000:]}")


def _close(folder: Path) -> None:
    """Readable for everybody, to be changed by the owner, who is root."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


if __name__ == "__main__":
    os.umask(0o022)
    try:
        print(place(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))
    except (CannotPlace, OSError) as problem:
        print(f"cannot be put in place: {problem}", file=sys.stderr)
        sys.exit(1)
