"""What may stand in the log: one line a record, and nothing that somebody else said.

One place for all code that runs in the hub's process, its libraries included, so that no call to a logger has to think
of it. Line breaks and control characters are escaped: no value can pretend to be a line. Of an error only its class is
said, and the places it came through, unless it is one of the hub's own, whose words we wrote: what a library raises may
quote the body it choked on, or the address it asked, which holds keys. No record holds a body, a key, a token, a query
or a header, because none is ever handed to a logger; `tests/e2e/test_log_canaries.py` looks for them.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterator
from typing import Any, Final

from hub.errors import NexomaticError

MOST_CHARACTERS: Final = 4000
"""Of a record: what is longer is cut, and says so."""
MOST_PLACES: Final = 12
OURS: Final = ("hub", "functions")
"""Loggers whose messages we wrote."""
_HOSTS: Final = ("Host", "Function", "azure_functions_worker", "azure_functions_runtime")
"""The host's own records, which are not the hub's to change."""
_QUIET: Final = {"azure": logging.ERROR, "httpx": logging.WARNING, "httpcore": logging.WARNING}
"""Libraries that say a line, addresses in it, for each call they make."""
_ESCAPED: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)
"""What breaks a line, moves a cursor, turns the direction of the text, or is no character at all."""


def escaped(text: str) -> str:
    """On one line, printable, and not endless."""
    if len(text) > MOST_CHARACTERS:
        text = f"{text[:MOST_CHARACTERS]} … ({len(text)} characters)"
    return text if text.isascii() and text.isprintable() else _ESCAPED.sub(_escape, text)


def said_of(error: BaseException) -> str:
    """What may be said of an error: the class of a stranger's, also the words of one of ours."""
    name = type(error).__qualname__
    return f"{name}: {error}" if isinstance(error, NexomaticError) else name


def described(error: BaseException) -> str:
    """An error, what caused it, and where they came from, innermost place first."""
    return " | caused by ".join(f"{said_of(each)}{_places(each)}" for each in _chain(error))


class Line(logging.LogRecord):
    """A record that is one line, whoever formats it."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        error = self.exc_info[1] if isinstance(self.exc_info, tuple) else None
        self._error = described(error) if error is not None else ""
        # Every formatter would add the traceback as lines of its own, the error's words among them.
        self.exc_info = self.exc_text = self.stack_info = None
        if isinstance(self.args, tuple):
            self.args = tuple(_spoken(each) for each in self.args)

    def getMessage(self) -> str:  # noqa: N802 - the library's name
        text = super().getMessage()
        if self.name.partition(".")[0] not in OURS:
            text = text.partition("\n")[0]  # asyncio goes on with the representation of the error
        return escaped(f"{text} | {self._error}" if self._error else text)


def record(name: str, *args: Any, **named: Any) -> logging.LogRecord:
    """The record that a logger makes of what it is told."""
    kind = logging.LogRecord if name.partition(".")[0] in _HOSTS else Line
    return kind(name, *args, **named)


def install() -> None:
    """Make it so for every logger of this process."""
    logging.setLogRecordFactory(record)
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)


def _spoken(value: object) -> object:
    if not isinstance(value, BaseException):
        return value
    return str(value) if isinstance(value, NexomaticError) else type(value).__qualname__


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return {9: "\\t", 10: "\\n", 13: "\\r"}.get(code) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _places(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[::-1]
    places = [f"{_short(each.filename)}:{each.lineno} {each.name}" for each in frames[:MOST_PLACES]]
    more = [f"... {len(frames) - MOST_PLACES} more"] if len(frames) > MOST_PLACES else []
    return f" (at {' < '.join(places + more)})" if places else ""


def _short(path: str) -> str:
    return "/".join(path.replace("\\", "/").rsplit("/", 2)[-2:])
