"""Finding what an action names, before anything is started."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

_PYTHON = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*\Z")
CAPABILITIES_MOST = 500
CAPABILITY_LONGEST = 256


class ModuleMissing(Exception):
    """What the action names is not on this machine."""


class Modules:
    """The module folders, the first that has a name wins, and then the interpreter's site-packages."""

    def __init__(self, folders: Sequence[Path], sites: Sequence[str]) -> None:
        self.folders = tuple(folders)
        self.sites = tuple(sites)

    def check_function(self, reference: str) -> None:
        """A Python function, `package.module:function`. Raises ModuleMissing."""
        if not _PYTHON.match(reference):
            raise ModuleMissing(f"{reference!r} does not name a function: write package.module:function")
        parts = reference.partition(":")[0].split(".")
        path = "/".join(parts)
        places = [f"{folder}/{path}" for folder in (*self.folders, *self.sites)]
        if not any(map(_is_source, places)) and not any(map(_is_binary, places)):
            raise ModuleMissing(f"there is no module {'.'.join(parts)} in {_list(self.folders)}, nor installed")

    def find_file(self, reference: str) -> Path:
        """A script or an executable, by its path below a module folder. Raises ModuleMissing."""
        path = Path(reference)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise ModuleMissing(f"{reference!r} must be a path below a module folder, without ..")
        for folder in self.folders:
            if (folder / path).is_file():
                return folder / path
        raise ModuleMissing(f"there is no file {reference} in {_list(self.folders)}")

    def names(self) -> tuple[str, ...]:
        """What the folders hold at their top, for the hub to know: module names, scripts and executables."""
        found = {name for folder in self.folders for name in _names(folder) if len(name) <= CAPABILITY_LONGEST}
        return tuple(sorted(found)[:CAPABILITIES_MOST])


def _is_source(place: str) -> bool:
    """Whether the module is a file of source there, or a package that may make it at import."""
    return os.path.isfile(f"{place}.py") or os.path.isdir(place)  # noqa: PTH112, PTH113 - for every task


def _is_binary(place: str) -> bool:
    """Whether the module is a shared library there. A search of whole folders, for what is found nowhere else."""
    base = Path(place)
    return any(
        any(base.parent.glob(f"{base.name}.*{end}")) or base.with_name(base.name + end).is_file()
        for end in (".so", ".pyd")
    )


def _names(folder: Path) -> Iterable[str]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith((".", "_")):
            continue
        path = Path(entry.path)
        if path.suffix == ".py":
            yield path.stem
        elif (path / "__init__.py").is_file() or (entry.is_file() and _is_program(path)):
            yield entry.name


def _is_program(path: Path) -> bool:
    return path.suffix in (".sh", ".ps1") or os.access(path, os.X_OK)


def _list(folders: Sequence[Path]) -> str:
    return ", ".join(map(str, folders))
