"""Python modules that the agent's tests run as tasks."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from nexomatic import Context, Warn


def echo(payload: Any, params: dict[str, Any], context: Context) -> dict[str, Any]:
    """All it was given."""
    print("hello")
    known = {name: getattr(context, name) for name in Context.__slots__}
    given = {"payload": payload, "params": params, "context": known}
    return {**given, "environment": dict(os.environ), "folder": str(Path.cwd())}


def nothing(payload: Any, params: Any, context: Context) -> None:
    return None


def warn(payload: Any, params: Any, context: Context) -> None:
    raise Warn("look at this", code="ODD", data={"left": 3})


def fail(payload: Any, params: Any, context: Context) -> None:
    print("about to fail")
    raise ValueError("no such thing")


def unreadable(payload: Any, params: Any, context: Context) -> Any:
    return {1, 2}


def infinite(payload: Any, params: Any, context: Context) -> Any:
    return [float("inf")]


def surrogate(payload: Any, params: Any, context: Context) -> Any:
    return "\ud800"


def leave(payload: Any, params: Any, context: Context) -> None:
    sys.exit(payload["code"])


def mixed(payload: Any, params: Any, context: Context) -> None:
    """Both streams and the log, in one order."""
    import logging

    for number in range(50):
        print(f"out {number}")
        print(f"err {number}", file=sys.stderr)
        logging.getLogger("mixed").warning("log %s\nand more", number)
    print("no end of line", end="")


def levels(payload: Any, params: Any, context: Context) -> None:
    import logging

    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(logging.getLogger("levels"), level)(level)


def requests_version(payload: Any, params: Any, context: Context) -> str:
    """Imports what only site-packages have."""
    import requests

    return str(requests.__version__)


def wait(payload: Any, params: Any, context: Context) -> str:
    """Tell the test that it runs, and run until the test says so."""
    folder = Path(payload["folder"])
    try:
        (folder / f"pid-{context.attempt}").write_text(f"{os.getpid()}\n")
        while not (folder / "go").exists():
            time.sleep(0.01)
    finally:
        (folder / "finally").write_text("reached")
    return "went on"


def standard_input(payload: Any, params: Any, context: Context) -> str:
    return sys.stdin.read()


class Odd(Exception):
    """An error without words."""


def odd(payload: Any, params: Any, context: Context) -> None:
    raise Odd


def say_and_wait(payload: Any, params: Any, context: Context) -> str:
    print("still here")
    return wait(payload, params, context)
