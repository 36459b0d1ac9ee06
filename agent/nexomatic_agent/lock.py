"""One agent for one state folder: two would hand back and kill each other's tasks."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Callable

LOOK_SECONDS = 0.1


class StateInUse(Exception):
    """Another agent uses this state folder."""


class StateLock:
    """Held until the process ends, however it ends: the operating system lets go, so nothing can be left behind."""

    def __init__(self, folder: Path) -> None:
        """Raises StateInUse, OSError."""
        path = folder / "lock"
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(self._file)
        except OSError:
            os.close(self._file)
            raise StateInUse(
                f"another agent runs on the state folder {folder}: stop it, or set another folder"
            ) from None

    @classmethod
    def within(
        cls,
        folder: Path,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> StateLock:
        """The same, but wait so long for whoever holds it. Raises StateInUse, OSError."""
        until = clock() + seconds
        while True:
            try:
                return cls(folder)
            except StateInUse:
                if clock() >= until:
                    raise
            sleep(LOOK_SECONDS)

    def release(self) -> None:
        os.close(self._file)


if sys.platform == "win32":  # not run by the project's tests, which run on Linux
    import msvcrt

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
