"""The log of the host: one readable line per record, whatever it says.

`2026-11-23T22:55:01.123Z WARNING Function.tick.User#1f0c93aa message`: time, level, category, the first characters of
the invocation's id, text. Line breaks and control characters in a value are escaped, so that nothing a caller sends
can pretend to be a line of the log. A traceback becomes one line too: the error, then the places it passed through,
innermost first.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

from hosting.hostjson import category_level

# Loggers of the programming model and the worker: Azure keeps them out of the app's log.
HIDDEN = ("azure.functions", "azure_functions_worker")
MAX_FRAMES = 12

_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_ESCAPES |= {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t", 0x2028: "\\u2028", 0x2029: "\\u2029"}


class Running:
    """The invocation a piece of code belongs to, for the log: the name of the function, and an id made when needed."""

    __slots__ = ("_id", "function")

    def __init__(self, function: str) -> None:
        self.function = function
        self._id: str | None = None

    @property
    def id(self) -> str:
        if self._id is None:
            raw = bytearray(os.urandom(16))
            raw[6], raw[8] = raw[6] & 0x0F | 0x40, raw[8] & 0x3F | 0x80
            text = raw.hex()
            self._id = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
        return self._id


# Child tasks inherit it, threads do not: an app's own thread says whose it is through the context it was given.
running: ContextVar[Running | None] = ContextVar("running", default=None)


class _ThreadLocal(threading.local):
    invocation_id: str | None = None


thread_local = _ThreadLocal()


def escape(text: str) -> str:
    """The text on one line, with nothing in it that moves a terminal's cursor."""
    return text if text.isprintable() else text.translate(_ESCAPES)


class LineFormatter(logging.Formatter):
    """Makes the one line of a record."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text} | {describe(record.exc_info[1])}"
        return f"{at}Z {record.levelname:<7} {category(record)} {escape(text)}"


def category(record: logging.LogRecord) -> str:
    """What the record is about: the function whose invocation wrote it, else the logger's own name."""
    invocation = running.get()
    if record.name == "Host" or record.name.startswith(("Host.", "Function.")):  # the host speaks, of an invocation
        return record.name
    if invocation is not None:
        return f"Function.{invocation.function}.User#{invocation.id[:8]}"
    if thread_local.invocation_id:
        return f"{record.name}#{thread_local.invocation_id[:8]}"
    return record.name


def describe(error: BaseException) -> str:
    """An exception on one line: what it is, where it came from, and what caused it."""
    return " | caused by ".join(_one(each) for each in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _one(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[::-1]
    places = [f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames[:MAX_FRAMES]]
    more = [f"... {len(frames) - MAX_FRAMES} more"] if len(frames) > MAX_FRAMES else []
    return f"{type(error).__qualname__}: {error}" + (f" (at {' < '.join(places + more)})" if places else "")


def _short(path: str) -> str:
    return "/".join(path.replace("\\", "/").rsplit("/", 2)[-2:])


class CategoryFilter(logging.Filter):
    """Lets through what host.json's `logging.logLevel` asks for."""

    def __init__(self, levels: Mapping[str, int]) -> None:
        super().__init__()
        self._levels = levels
        self._known: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith(HIDDEN):
            return False
        name = category(record).partition("#")[0]
        level = self._known.get(name)
        if level is None:
            level = self._known[name] = category_level(self._levels, name)
        return record.levelno >= level


def install(levels: Mapping[str, int], debug: bool, stream: TextIO | None = None) -> None:
    """Make the root logger write lines to `stream` (standard output if None), and nothing else.

    `debug` lets Python's DEBUG records of the app through to the filter, as PYTHON_ENABLE_DEBUG_LOGGING does.
    """
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(LineFormatter())
    handler.addFilter(CategoryFilter(levels))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    for name in ("Host", "Function"):  # the host's own lines obey host.json alone
        logging.getLogger(name).setLevel(logging.DEBUG)
