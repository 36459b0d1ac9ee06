"""One process at a time: a lock beside the database file, which the system lets go of when its holder dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from hub.errors import Unavailable

_LOCKED_BYTE: Final = 1 << 30
"""Far behind the text: on Windows nobody else could read the process's number if its bytes were the locked ones."""


class FileLock:
    """Held from construction until `release()`, or until the process is gone."""

    def __init__(self, database: Path) -> None:
        """Take the lock of this database. Raises `Unavailable` with the number of the process that holds it."""
        self._file = os.open(f"{database}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        if not _try_lock(self._file):
            holder = os.read(self._file, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise Unavailable(f"The database {database} is open in another process (its number is {holder}).")
        os.ftruncate(self._file, 0)
        os.write(self._file, b"%d\n" % os.getpid())

    def release(self) -> None:
        """Let go. The file stays: removing it could take it from under a process that is just locking it."""
        os.close(self._file)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: int) -> bool:
        os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(file, 0, os.SEEK_SET)
        return True
else:
    import fcntl

    def _try_lock(file: int) -> bool:
        try:
            # Not lockf: its locks belong to the process, so opening the file twice in one process would succeed.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
