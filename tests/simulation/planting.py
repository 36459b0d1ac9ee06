"""Plants a bug: modules are compiled from patched source, in this process only and before anything imports them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from tests.simulation.mutants import Mutant, Patch

ROOT = Path(__file__).parents[2]


class CannotPlant(Exception):
    """The text to be replaced is not in the file exactly once."""


def patched(patches: Sequence[Patch]) -> dict[str, str]:
    """The patched source of each file. Raises `CannotPlant`."""
    sources: dict[str, str] = {}
    for patch in patches:
        source = sources.get(patch.file) or (ROOT / patch.file).read_text()
        found = source.count(patch.old)
        if found != 1:
            raise CannotPlant(f"{patch.file} has this {found} times instead of once: {patch.old!r}")
        sources[patch.file] = source.replace(patch.old, patch.new)
    return sources


def plant(mutant: Mutant) -> None:
    """From now on this process imports the mutant."""
    sources = {module_of(file): source for file, source in patched(mutant.patches).items()}
    if imported := sources.keys() & sys.modules.keys():
        raise CannotPlant(f"imported already: {sorted(imported)}")
    sys.meta_path.insert(0, _Finder(sources))


def module_of(file: str) -> str:
    return file.removeprefix("agent/").removesuffix(".py").replace("/", ".")


class _Finder(MetaPathFinder):
    def __init__(self, sources: dict[str, str]) -> None:
        self._sources = sources

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._sources:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Patched(fullname, spec.origin, self._sources[fullname])
        return spec


class _Patched(SourceFileLoader):
    def __init__(self, fullname: str, path: str, source: str) -> None:
        super().__init__(fullname, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        code = compile(self._source, self.path, "exec", dont_inherit=True)
        assert isinstance(code, CodeType)
        return code
