"""Finds the functions of an app as the Python worker does: import `function_app`, take its FunctionApp, ask it once.

Where the worker logs an error and serves nothing, this raises: an app that answers 404 everywhere helps nobody.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from azure.functions import FunctionRegister
from azure.functions.decorators.core import Binding, BindingDirection, Trigger
from azure.functions.decorators.function_app import Function

from hosting.errors import IndexingError
from hosting.signatures import RETURN, Signature, check_signature

SCRIPT_SETTING = "PYTHON_SCRIPT_FILE_NAME"
DEFAULT_SCRIPT = "function_app.py"
HTTP, TIMER, QUEUE, EVENT_GRID = "httpTrigger", "timerTrigger", "queueTrigger", "eventGridTrigger"
TRIGGERS = (HTTP, TIMER, QUEUE, EVENT_GRID)
OUTPUTS = ("http", "queue")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,127}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class IndexedFunction:
    """One function of the app, with all that the host needs to know about it."""

    name: str
    call: Callable[..., Any]
    is_async: bool
    trigger: Trigger
    bindings: tuple[Binding, ...]  # the trigger included
    outputs: tuple[Binding, ...]  # those that are parameters: `func.Out`
    returns: Binding | None  # the one that the return value goes to
    signature: Signature
    directory: str
    retry: Mapping[str, Any] | None
    raw_bindings: tuple[str, ...]  # function.json, as the worker tells it
    disabled: bool = False

    @property
    def kind(self) -> str:
        """The type of its trigger, as function.json writes it."""
        return str(self.trigger.type)


def load_app(folder: Path, settings: Mapping[str, str]) -> FunctionRegister:
    """Import the app of a folder, which becomes the working directory and the last place modules are sought in.

    Raises IndexingError if there is none, more than one, or importing it fails.
    """
    script = settings.get(SCRIPT_SETTING) or DEFAULT_SCRIPT
    if not (folder / script).is_file():
        raise IndexingError(f"there is no {script} in {folder}")
    os.chdir(folder)
    sys.path[:] = [*(each for each in sys.path if each not in ("", str(folder))), str(folder)]
    name = Path(script).stem
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise IndexingError(f"importing {script} failed: {type(error).__name__}: {error}") from error
    return _find_app(module, script)


def _find_app(module: ModuleType, script: str) -> FunctionRegister:
    apps = [name for name in dir(module) if isinstance(getattr(module, name, None), FunctionRegister)]
    if not apps:
        raise IndexingError(f"{script} has no FunctionApp at its top level")
    if len(apps) > 1:
        raise IndexingError(f"{script} has more than one name for a FunctionApp at its top level: {', '.join(apps)}")
    app = getattr(module, apps[0])
    assert isinstance(app, FunctionRegister)
    return app


def index(app: FunctionRegister) -> tuple[IndexedFunction, ...]:
    """The functions of an app in the order the host maps them: by name, ordinal, upper-cased (so `_` after letters).

    Raises IndexingError, naming the function and the reason, if one of them would fail the whole app, or has a
    trigger or binding that this host does not know. Can be asked once per app, as with the worker.
    """
    try:
        functions: Sequence[Function] = app.get_functions()
    except Exception as error:
        raise IndexingError(str(error)) from error
    indexed = [_index_one(function) for function in functions]
    _check_unique([function.name for function in indexed])
    return tuple(sorted(indexed, key=lambda function: function.name.upper()))


def _index_one(function: Function) -> IndexedFunction:
    name, trigger = str(function.get_function_name()), function.get_trigger()
    assert trigger is not None, "get_functions() refuses a function without a trigger"
    if not _NAME.fullmatch(name) or name.lower() == "host":
        raise IndexingError(
            f"function {name}: a name is a letter, then letters, digits, - and _, 128 at most, not host"
        )
    _check_known(name, trigger, function.get_bindings())
    call, bindings = function.get_user_function(), tuple(function.get_bindings())
    return IndexedFunction(
        name=name,
        call=call,
        is_async=inspect.iscoroutinefunction(call),
        trigger=trigger,
        bindings=bindings,
        outputs=tuple(each for each in bindings if _is_output(each) and each.name != RETURN),
        returns=next((each for each in bindings if each.name == RETURN), None),
        signature=check_signature(name, call, bindings, trigger),
        directory=str(Path(inspect.getfile(call)).parent),
        retry=function.get_settings_dict("retry_policy"),
        raw_bindings=tuple(function.get_raw_bindings()),
    )


def _is_output(binding: Binding) -> bool:
    return binding.direction == BindingDirection.OUT.value


def _check_known(name: str, trigger: Trigger, bindings: Sequence[Binding]) -> None:
    if trigger.type not in TRIGGERS:
        raise IndexingError(f"function {name}: this host does not serve {trigger.type}, only {', '.join(TRIGGERS)}")
    for binding in bindings:
        if binding is not trigger and binding.type not in OUTPUTS:
            raise IndexingError(f"function {name}: this host has no binding {binding.type}, only {', '.join(OUTPUTS)}")


def _check_unique(names: Sequence[str]) -> None:
    folded = [name.lower() for name in names]
    twice = sorted({name for name in names if folded.count(name.lower()) > 1})
    if twice:
        raise IndexingError(f"these function names differ only in case: {', '.join(twice)}")
