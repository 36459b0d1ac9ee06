"""What lies in the deployment package, and how it is written down so that the same contents are the same bytes."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pathspec

from tools.zips import entry

SITE_PACKAGES: Final = ".python_packages/lib/site-packages"
"""Where the Python worker looks for what an app brings along."""
IGNORED: Final = ".funcignore"
OF_THE_INSTALLATION: Final = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
"""What an installer notes in a dist-info folder about this machine and this time. Nobody reads it at run time."""
_LEVEL: Final = 6


def promised(root: Path) -> list[str]:
    """The files below a folder that its `.funcignore` lets through, in the order of their names."""
    spec = pathspec.GitIgnoreSpec.from_lines((root / IGNORED).read_text().splitlines())

    def below(folder: Path) -> Iterator[str]:
        for each in os.scandir(folder):
            name = Path(each.path).relative_to(root).as_posix()
            if each.is_dir(follow_symlinks=False):
                if not spec.match_file(f"{name}/"):
                    yield from below(Path(each.path))
            elif not spec.match_file(name):
                yield name

    return sorted(below(root))


def strip(site: Path) -> None:
    """Take away what an installer wrote for this machine: commands with its paths in them, its lock, its notes."""
    (site / ".lock").unlink(missing_ok=True)
    for command in (site / "bin").glob("*"):
        command.unlink()
    if (site / "bin").is_dir():
        (site / "bin").rmdir()
    for folder in site.glob("*.dist-info"):
        for name in OF_THE_INSTALLATION:
            (folder / name).unlink(missing_ok=True)


def write_zip(path: Path, root: Path, names: Sequence[str]) -> None:
    """Files of a folder as a zip: in this order, all of one time and mode, so that it tells nothing but their bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as package:
        for name in names:
            content = (root / name).read_bytes()
            package.writestr(entry(name), content, compress_type=zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)


def manifest(root: Path, names: Sequence[str], package: Path, about: Mapping[str, str]) -> dict[str, Any]:
    """What the package is, and the SHA-256 of it and of every file in it."""
    return {
        **about,
        "file": package.name,
        "sha256": sha256(package),
        "files": {name: sha256(root / name) for name in names},
    }


def sha256(path: Path) -> str:
    """In hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
