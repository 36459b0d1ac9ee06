"""What a stopped platform must not leave behind: processes, files of tasks, half-written files, unexplained errors."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil

from hub.storage.embedded.database import check_integrity
from tests.kills.platform import temporary_of

TASK_FOLDERS = ("journal", "spool", "work")
HALF_WRITTEN = re.compile(r".*(\.tmp|\.draft|~)$")
LOUD = re.compile(r"^\S+ +\S+ (ERROR|CRITICAL)\b|Traceback")
"""By the level behind name and time; what a task or an answer says of an error is not the platform's own."""


def processes_left(home: Path) -> list[str]:
    """Processes that work in this folder, or were started to: by folder, command line or environment."""
    return [f"process {process.pid} is left: {_describe(process)}" for process in of_home(home)]


def of_home(home: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if str(home) in _describe(process)]


def _describe(process: psutil.Process) -> str:
    """Nothing for one that is gone, a zombie, or another user's."""
    with suppress(psutil.Error):
        settings = [f"{name}={value}" for name, value in process.environ().items() if name.startswith("NEXOMATIC_")]
        return " ".join([*process.cmdline(), f"in {process.cwd()}", *settings])
    return ""


def files_left(home: Path, refused: set[str] | None) -> Iterator[str]:
    """Files of tasks that are over, and what was being written when somebody was killed.

    `refused`: the attempts whose results the hub may not have taken, which are kept for people to look at; None: any.
    """
    state = home / "sink"
    for name in TASK_FOLDERS:
        yield from (f"{path.relative_to(home)} is left" for path in (state / name).iterdir())
    for path in (state / "lost").iterdir():
        if refused is not None and path.stem not in refused:
            yield f"{path.relative_to(home)} is there: {path.read_text()[:300]}"
    for path in home.rglob("*"):
        if HALF_WRITTEN.match(path.name) and "azurite" not in path.parts:  # what Azurite leaves is its own
            yield f"{path.relative_to(home)} is half written"
    yield from (f"{path.relative_to(home)} is left" for path in temporary_of(home).iterdir())
    if (home / "ready.json").exists():
        yield "ready.json says that something is up"


def database_faults(home: Path) -> list[str]:
    """What SQLite finds wrong with the file of the embedded engine."""
    with closing(sqlite3.connect(home / "nexomatic.db")) as connection:
        return [f"the database: {line}" for line in check_integrity(connection)]


def complaints(home: Path) -> list[str]:
    """Lines of the log that say of an error. That a part was killed, or did not answer, is a warning."""
    lines = [line for path in sorted((home / "logs").iterdir()) for line in path.read_text("utf-8").splitlines()]
    return [f"the log says: {line[:1500]}" for line in lines if LOUD.search(line)]
