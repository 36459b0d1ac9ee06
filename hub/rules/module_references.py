"""How a module is named in an action, for each runtime.

Paths are written with forward slashes on every platform, lie within the module folder or the bundle, and must mean the
same on Windows and elsewhere. Only `exec` may name a program by its full path, because that is how what is installed
on a machine is found.
"""

from __future__ import annotations

import keyword
import re

from hub.errors import Invalid
from hub.model.configuration import Runtime
from hub.rules.names import shown

MAX_LENGTH = 256

_WINDOWS_FULL = re.compile(r"[A-Za-z]:[\\/](?P<rest>.*)", re.DOTALL)
_NOT_IN_NAMES = frozenset('\\:*?"<>|')
_DEVICES = frozenset(["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))])
"""What Windows opens a device for, in any folder and with any ending."""


def check_module(runtime: Runtime, module: str) -> None:
    """See that a module reference fits its runtime. Raises `Invalid` with what is allowed."""
    if not 1 <= len(module) <= MAX_LENGTH:
        raise _refusal(module, runtime, f"it has 1 to {MAX_LENGTH} characters")
    if not module.isprintable():
        raise _refusal(module, runtime, "it has no control or invisible characters")
    if runtime is Runtime.PYTHON:
        _check_python(module)
    elif runtime is Runtime.EXEC and _is_full_path(module):
        _check_full_path(module)
    else:
        _check_relative(runtime, module)
    if runtime is Runtime.POWERSHELL and not module.lower().endswith(".ps1"):
        raise _refusal(module, runtime, "it ends in .ps1")


def _check_python(module: str) -> None:
    package, colon, function = module.partition(":")
    if not (colon and _is_identifier(function) and all(map(_is_identifier, package.split(".")))):
        raise _refusal(module, Runtime.PYTHON, "it is package.module:function, like disk_cleanup:run")


def _is_identifier(word: str) -> bool:
    return word.isascii() and word.isidentifier() and not keyword.iskeyword(word)


def _is_full_path(path: str) -> bool:
    return path.startswith(("/", "\\")) or _WINDOWS_FULL.fullmatch(path) is not None


def _check_full_path(path: str) -> None:
    windows = _WINDOWS_FULL.fullmatch(path)
    if not windows and path.startswith(("//", "\\")):
        raise _refusal(
            path, Runtime.EXEC, "a full path is like /usr/bin/rsync or C:/Tools/sync.exe; a share is not taken"
        )
    steps = windows["rest"].replace("\\", "/").split("/") if windows else path[1:].split("/")
    _check_steps(Runtime.EXEC, path, steps)


def _check_relative(runtime: Runtime, path: str) -> None:
    if path.startswith("/"):
        raise _refusal(path, runtime, "it is a path within the module folder or bundle, and does not begin with /")
    if path.startswith("-"):
        raise _refusal(path, runtime, "it does not begin with -, which interpreters take for an option")
    _check_steps(runtime, path, path.split("/"))


def _check_steps(runtime: Runtime, path: str, steps: list[str]) -> None:
    if any(step in ("", ".", "..") for step in steps):
        raise _refusal(path, runtime, "it has no empty steps, no . and no .. in it")
    if any(_NOT_IN_NAMES.intersection(step) for step in steps):
        raise _refusal(path, runtime, 'its steps are parted by / and have none of \\ : * ? " < > | in them')
    if any(step.endswith((".", " ")) or step.startswith(" ") for step in steps):
        raise _refusal(path, runtime, "no step begins with a space, or ends in a space or a dot, which Windows drops")
    if any(step.split(".")[0].rstrip().lower() in _DEVICES for step in steps):
        raise _refusal(path, runtime, "no step is the name of a Windows device, like CON or NUL")


def _refusal(module: str, runtime: Runtime, rule: str) -> Invalid:
    return Invalid(f"{shown(module)} cannot be the module of a {runtime} action: {rule}.")
