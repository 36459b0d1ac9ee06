"""Where in a JSON text or value something is wrong, in words: `line 3, column 14` or a JSON pointer.

Only called once there is an error, so that reading what is right costs nothing.
"""

from __future__ import annotations

import json
import re
from typing import Optional, TypeAlias

from hub.errors import FieldError, Invalid

Path: TypeAlias = Optional[tuple["Path", str | int]]  # noqa: UP045 - a string cannot be or-ed with None
"""The way to a part of a value, its last step first; None is the value itself."""

_MAX_POINTER = 300
_BRACKETS = re.compile(r'"(?:[^"\\]++|\\.)*+"|([\[{])|([\]}])', re.DOTALL)

_SYNTAX = {
    "Expecting value": "a value is missing: an object, array, string, number, true, false or null",
    "Expecting property name enclosed in double quotes": "a key in double quotes is expected",
    "Expecting ':' delimiter": "a colon is expected after the key",
    "Expecting ',' delimiter": "a comma is expected, or the end of the object or array",
    "Illegal trailing comma before end of": "the last element has no comma after it",
    "Extra data": "the value has ended; nothing may follow it",
    "Unterminated string starting at": "the string that begins here does not end",
    "Invalid control character at": "a control character (line break, tab) is written as an escape within a string",
    "Invalid \\escape": 'after \\ comes one of " \\ / b f n r t u',
    "Invalid \\uXXXX escape": "after \\u come four hexadecimal digits",
}
"""What the parser says, and what is allowed there."""


def refusal(place: str, what: str) -> Invalid:
    """The error for something wrong at a place."""
    return Invalid(f"This is not JSON as the hub takes it, at {place or 'the top'}: {what}.", [FieldError(place, what)])


def syntax(error: json.JSONDecodeError) -> str:
    """What was expected where the parser stopped."""
    return next((words for said, words in _SYNTAX.items() if error.msg.startswith(said)), error.msg)


def line_and_column(text: str, position: int) -> str:
    """Both counted from 1, in characters."""
    line = text.count("\n", 0, position) + 1
    return f"line {line}, column {position - text.rfind(chr(10), 0, position)}"


def of_depth(text: str, depth: int) -> str:
    """Where the text opens its first object or array with `depth` - 1 around it."""
    open_now = 0
    for found in _BRACKETS.finditer(text):
        open_now += 1 if found[1] else -1 if found[2] else 0
        if found[1] and open_now == depth:
            return line_and_column(text, found.start())
    raise ValueError(f"the text is never {depth} deep")


def pointer(path: Path) -> str:
    """The JSON pointer (RFC 6901), printable whatever the keys hold, and cut short when it is very long."""
    steps: list[str] = []
    while path is not None:
        path, step = path
        steps.append("/" + str(step)[:_MAX_POINTER].replace("~", "~0").replace("/", "~1"))
    # Half a surrogate pair in a key must not break the answer that complains about it.
    whole = "".join(reversed(steps)).encode(errors="backslashreplace").decode()
    return whole if len(whole) <= _MAX_POINTER else whole[:_MAX_POINTER] + "…"
