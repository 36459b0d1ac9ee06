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
    """What is in the place of the result is none."""


class BadContent(BadResult):
    """The result file does not hold a result. The message goes on after `the result file`."""


def outcome(
    file: Path, exit_code: int, warning_codes: Collection[int], last_lines: str, most_bytes: int, returned: bool = False
) -> TaskResult:
    """The result the task wrote. What it does not say, its exit code does: 0 SUCCESS, a warning code WARNING, else
    ERROR. Its texts are as long as the task made them: whoever masks them cuts them afterwards (`shortened`).

    `returned`: the file's content was returned by a function, whose author has not heard of a file.
    """
    ended = _by_exit_code(exit_code, warning_codes, last_lines)
    try:
        written = read_result(file, most_bytes)
    except BadContent as error:
        if returned:
            return TaskResult("ERROR", "RESULT_NOT_JSON", f"the function's result {error}")
        return TaskResult("ERROR", "BAD_RESULT", f"the result file {error}")
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
    if code > 0:
        name, words = f"EXIT_{code}", f"the process ended with exit code {code}"
    else:
        name = f"SIGNAL_{_signal_name(-code)}"
        words = f"the process was ended by the signal {_signal_name(-code)}"
        last_lines = f"{words}; before, it wrote:\n{last_lines}" if last_lines else ""
    state = "WARNING" if code in warning_codes else "ERROR"
    return TaskResult(state, name, last_lines or words)


def _signal_name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name[len("SIG") :]
    return str(number)


def read_result(file: Path, most_bytes: int) -> Optional[dict[str, Any]]:
    """What the task wrote to `$NEXOMATIC_RESULT`; None if it wrote nothing. Raises BadResult."""
    content = _read(file, most_bytes)
    if content is None:
        return None
    if not content:
        # Begun and not written, as on a full disk. Taken for no file, it would be a success without its data.
        raise BadContent("is empty: write an object {state, code, message, data}, or no file")
    try:
        document = read_strict(content)
    except NotStrict as error:
        raise BadContent(f"is not JSON as the hub takes it: {error}") from None
    if not isinstance(document, dict):
        raise BadContent("does not hold an object {state, code, message, data}")
    if document.get("state") not in (None, *STATES):
        raise BadContent(f"holds a state that is not one of {', '.join(STATES)}")
    unknown = document.keys() - {"state", "code", "message", "data"}
    if unknown:
        raise BadContent(f"may hold state, code, message and data, not {_some(unknown)}")
    code, message = _text(document, "code"), _text(document, "message")
    return {"state": document.get("state"), "code": code, "message": message, "data": document.get("data")}


def _text(document: dict[str, Any], name: str) -> Optional[str]:
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise BadContent(f"holds a {name} that is not a string or null")
    return value


def _some(names: Collection[str]) -> str:
    """A few of them: a task may have written thousands. Whole, for whoever masks the message."""
    first = ", ".join(sorted(names)[:5])
    return first if len(names) <= 5 else f"{first} and {len(names) - 5} others"


def shortened(text: str, longest: int) -> str:
    """The text, with a visible mark where it is cut."""
    return text if len(text) <= longest else text[: longest - len(CUT)] + CUT


def _read(file: Path, most_bytes: int) -> Optional[bytes]:
    """The file's content; None if there is none. A task may have put anything in its place, so nothing is followed."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(file, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadResult(f"the result file cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BadResult("the result file is not a plain file")
    with os.fdopen(descriptor, "rb") as opened:
        content = opened.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise BadContent(f"is larger than {most_bytes} bytes")
    return content
