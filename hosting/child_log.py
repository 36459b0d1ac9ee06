"""One log of several processes: a column with the name, then the line as the process wrote it.

Everything goes to a file, which is rotated; warnings and worse go to the terminal too. A line that is a JSON object is
passed on untouched, so that a program may read it.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

FILE_BYTES = 10_000_000
FILES_KEPT = 5
_LEVEL_WITHIN = 80  # characters: further on, the word is part of the message
_NAME_WIDTH = 8

_DATED = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_LEVEL = re.compile(r"\b(DEBUG|INFO|INFORMATION|WARN|WARNING|ERROR|CRITICAL|FATAL)\b")
_LOUD = ("WARN", "WARNING", "ERROR", "CRITICAL", "FATAL")
_CONTINUED = re.compile(r"\s|[\w.]+(?:Error|Exception|Interrupt)\b")


class Voice:
    """One process's lines, and whether the terminal wants to see them: a traceback belongs to what it follows."""

    def __init__(self) -> None:
        self._loud = False

    def is_loud(self, line: str) -> bool:
        """Whether the line is a warning or worse, or continues one."""
        if line.startswith("Traceback (most recent call last)"):
            self._loud = True
        elif (level := _level(line)) is not None:
            self._loud = level in _LOUD
        elif not _CONTINUED.match(line):
            self._loud = False
        return self._loud


def _level(line: str) -> str | None:
    if (document := as_object(line)) is not None:
        return str(document.get("level", "")).upper()
    found = _LEVEL.search(line[:_LEVEL_WITHIN])
    return found[1] if found else None


def as_object(line: str) -> dict[str, object] | None:
    """The JSON object that a line is, if it is one."""
    if not (line.startswith("{") and line.endswith("}")):
        return None
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


class ChildLog:
    """The file `children.log` in a folder, and the terminal. Lines may come from any thread."""

    def __init__(self, folder: Path, terminal: TextIO | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "children.log"
        self._file = RotatingFileHandler(self.path, maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8")
        self._terminal = logging.StreamHandler(terminal or sys.stderr)

    def write(self, name: str, line: str, loud: bool) -> None:
        """Add one line of the process of that name; `loud` shows it on the terminal too."""
        if as_object(line) is None:
            dated = line if _DATED.match(line) else f"{_now()} {line}"
            line = f"{name:<{_NAME_WIDTH}} {dated}"
        record = logging.LogRecord(name, logging.WARNING if loud else logging.INFO, "", 0, line, None, None)
        self._file.handle(record)  # a full disk is reported on stderr once per line, and stops nobody
        if loud:
            self._terminal.handle(record)

    def close(self) -> None:
        self._file.close()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
