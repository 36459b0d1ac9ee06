"""What became of a task: from its result file, or else from how its process ended."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Any, Optional

from nexomatic_agent.intents import TaskResult
from nexomatic_agent.strict_json import NotStrict, read_strict

STATES = ("SUCCESS", "WARNING", "ERROR")
LONGEST_CODE = 100
LONGEST_MESSAGE = 4096
CUT = " [cut]"


class BadResult(Exception):
    """The result file does not hold a result."""


def outcome(file: Path, exit_code: int, warning_codes: Collection[int], last_lines: str, most_bytes: int) -> TaskResult:
    """The result the task wrote. What it does not say, its exit code does: 0 SUCCESS, a warning code WARNING, else
    ERROR. Its texts are as long as the task made them: whoever masks them cuts them afterwards (`shortened`)."""
    ended = _by_exit_code(exit_code, warning_codes, last_lines)
    try:
        written = read_result(file, most_bytes)
    except BadResult as error:
        return TaskResult("ERROR", "BAD_RESULT", str(error))
    if written is None:
        return ended
    state = written.get("state")
    if state is None:
        return TaskResult(
            ended.state, written["code"] or ended.code, written["message"] or ended.message, written["data"]
        )
    return TaskResult(state, written["code"], written["message"], written["data"])


def _by_exit_code(code: int, warning_codes: Collection[int], last_lines: str) -> TaskResult:
    if code == 0:
        return TaskResult("SUCCESS")
    name = f"EXIT_{code}" if code > 0 else f"SIGNAL_{_signal_name(-code)}"
    words = last_lines or f"the process ended with {'exit code' if code > 0 else 'signal'} {abs(code)}"
    return TaskResult("WARNING" if code in warning_codes else "ERROR", name, words)


def _signal_name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name[len("SIG") :]
    return str(number)


def read_result(file: Path, most_bytes: int) -> Optional[dict[str, Any]]:
    """What the task wrote to `$NEXOMATIC_RESULT`; None if it wrote nothing. Raises BadResult."""
    content = _read(file, most_bytes)
    if not content:
        return None
    try:
        document = read_strict(content)
    except NotStrict as error:
        raise BadResult(f"the result file is not JSON as the hub takes it: {error}") from None
    if not isinstance(document, dict):
        raise BadResult("the result file does not hold an object {state, code, message, data}")
    if document.get("state") not in (None, *STATES):
        raise BadResult(f"state in the result file must be one of {', '.join(STATES)}")
    unknown = document.keys() - {"state", "code", "message", "data"}
    if unknown:
        raise BadResult(f"the result file may hold state, code, message and data, not {', '.join(sorted(unknown))}")
    code, message = _text(document, "code"), _text(document, "message")
    return {"state": document.get("state"), "code": code, "message": message, "data": document.get("data")}


def _text(document: dict[str, Any], name: str) -> Optional[str]:
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise BadResult(f"{name} in the result file must be a string or null")
    return value


def shortened(text: str, longest: int) -> str:
    """The text, with a visible mark where it is cut."""
    return text if len(text) <= longest else text[: longest - len(CUT)] + CUT


def _read(file: Path, most_bytes: int) -> bytes:
    """The file's content; empty if there is none. A task may have put anything in its place, so nothing is followed."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(file, flags)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise BadResult(f"the result file cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BadResult("the result file is not a plain file")
    with os.fdopen(descriptor, "rb") as opened:
        content = opened.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise BadResult(f"the result file is larger than {most_bytes} bytes")
    return content
