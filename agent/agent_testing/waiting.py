"""Waiting for what another process does, with a deadline."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Callable

DEADLINE_SECONDS = 15.0
_LOOK_SECONDS = 0.01


def wait_until(true: Callable[[], object], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Wait until this is true. Another process cannot tell us, so it is looked at again and again."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(_LOOK_SECONDS)


def read_pid(file: Path) -> int:
    """The process number that a task writes to this file, ended by a line end; waits for it."""
    wait_until(lambda: file.exists() and file.read_text().endswith("\n"), f"a pid in {file.name}")
    return int(file.read_text())


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that is dead and not yet reaped does not."""
    try:
        os.kill(pid, 0)
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
