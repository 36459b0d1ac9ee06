"""Which Python runs Python modules: the program itself, not a shim or a link into a virtual environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

PROBE_SECONDS = 30
OLDEST = (3, 9)
_PROBE = (
    "import json,sys;"
    "print(json.dumps([getattr(sys,'_base_executable',None) or sys.executable,sys.path,list(sys.version_info[:2])]))"
)


class BadInterpreter(Exception):
    """The configured interpreter cannot run modules."""


@dataclass(frozen=True)
class Interpreter:
    """A Python program, and the site-packages folders its modules may import from."""

    path: str
    sites: tuple[str, ...]


def find_interpreter(configured: Optional[Path]) -> Interpreter:
    """The configured interpreter, or the agent's own. Raises BadInterpreter."""
    if configured is None or str(configured) == sys.executable:
        own: str = getattr(sys, "_base_executable", None) or sys.executable
        return Interpreter(os.path.realpath(own), _sites(sys.path))
    try:
        asked = subprocess.run(  # noqa: S603 - the machine's owner configured it
            [str(configured), "-I", "-c", _PROBE], capture_output=True, check=True, timeout=PROBE_SECONDS
        )
        path, folders, version = json.loads(asked.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise BadInterpreter(f"python: {configured} does not work as a Python interpreter: {error}") from None
    if tuple(version) < OLDEST:
        raise BadInterpreter(f"python: {configured} is Python {version[0]}.{version[1]}; modules need 3.9 or newer")
    return Interpreter(os.path.realpath(path), _sites(folders))


def _sites(folders: Iterable[str]) -> tuple[str, ...]:
    return tuple(folder for folder in folders if Path(folder).name in ("site-packages", "dist-packages"))
