"""The command line of each runtime."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable

from nexomatic_agent.interpreter import Interpreter
from nexomatic_agent.modules import Modules

INSIDE = Path(__file__).parent / "inside"
_BOOT = "import sys;sys.path.insert(0,sys.argv[1]);import _nexomatic_child;_nexomatic_child.main()"
# -I: nothing from the environment or the current folder; -S: no `site`, which takes longer than all the rest of the
# interpreter's start (the child adds site-packages when a module asks for them); utf8: the same on every machine.
_PYTHON_OPTIONS = ("-I", "-S", "-E", "-X", "utf8", "-c", _BOOT)


class RuntimeMissing(Exception):
    """This machine has no program to run such a module with."""


@dataclass(frozen=True)
class Launcher:
    """Knows where modules are and what runs them."""

    modules: Modules
    interpreter: Interpreter

    def command(self, runtime: str, reference: str, result_file: Path) -> list[str]:
        """The command line that runs this module. Raises ModuleMissing, RuntimeMissing."""
        build = _BUILDERS.get(runtime)
        if build is None:
            raise RuntimeMissing(f"this agent knows the runtimes {', '.join(_BUILDERS)}, not {runtime!r}")
        return build(self, reference, result_file)

    def within(self, bundle: Path) -> Launcher:
        """The same, where modules are in a bundle: in that, and in no folder of this machine's."""
        return replace(self, modules=Modules((bundle,), self.modules.sites))

    def runtimes(self) -> list[str]:
        """The runtimes of which this machine has the program."""
        needed: Mapping[str, tuple[str, ...]] = {"shell": ("sh",), "powershell": _POWERSHELLS}
        return [name for name in _BUILDERS if name not in needed or any(map(shutil.which, needed[name]))]

    def _python(self, reference: str, result_file: Path) -> list[str]:
        self.modules.check_function(reference)
        folders = os.pathsep.join(map(str, self.modules.folders))
        sites = os.pathsep.join(self.modules.sites)
        return [self.interpreter.path, *_PYTHON_OPTIONS, str(INSIDE), reference, folders, sites, str(result_file)]

    def _shell(self, reference: str, _: Path) -> list[str]:
        script = self.modules.find_file(reference)
        with script.open("rb") as file:
            first_line = file.readline(200)
        wanted = "bash" if first_line.startswith(b"#!") and b"bash" in first_line else "sh"
        return [_program(wanted), str(script)]

    def _powershell(self, reference: str, _: Path) -> list[str]:
        script = self.modules.find_file(reference)
        options = ["-NoLogo", "-NoProfile", "-NonInteractive", "-File", str(INSIDE / "run.ps1")]
        return [_program(*_POWERSHELLS), *options, str(script)]

    def _exec(self, reference: str, _: Path) -> list[str]:
        return [str(self.modules.find_file(reference))]


_POWERSHELLS = ("pwsh", "powershell") if os.name == "nt" else ("pwsh",)


def _program(*names: str) -> str:
    for name in names:
        path = shutil.which(name)
        if path is not None:
            return path
    raise RuntimeMissing(f"this machine has no {' or '.join(names)} on its PATH")


_BUILDERS: Mapping[str, Callable[[Launcher, str, Path], list[str]]] = {
    "python": Launcher._python,
    "shell": Launcher._shell,
    "exec": Launcher._exec,
    "powershell": Launcher._powershell,
}
