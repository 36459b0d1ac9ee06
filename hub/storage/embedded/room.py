"""Whether the disk has room for new events, found out without waiting: a look at it takes microseconds, once a second.

What lies free inside the file, because retention has deleted it, is room too: SQLite fills that first, and the file
never shrinks. But whatever is written goes through the log, so a part of the room must be on the disk itself.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from pathlib import Path
from typing import Final

from hub.clock import Clock
from hub.storage.embedded.database import pragma
from hub.storage.ports import Room

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
ON_DISK: Final = 4
"""One part in so many of the least room must be on the disk."""
_CHANGES: Final = 50
"""After so many changed rows it is worth to ask how much lies free inside."""
_NEVER: Final = float("-inf")


class DiskRoom:
    """Of one database. `least`: bytes; 0 or no folder: there is always room."""

    def __init__(self, folder: Path | None, least: int, clock: Clock) -> None:
        self._folder = folder
        self._least = least
        self._clock = clock
        self._looked_at = _NEVER
        self._room = Room()
        self._inside = 0
        self._changes = -_CHANGES

    def look(self) -> Room:
        """How it was at most a second ago."""
        if self._folder is None or not self._least:
            return self._room
        now = self._clock.monotonic()
        if abs(now - self._looked_at) >= LOOK_SECONDS:
            self._looked_at = now
            self._room = self._found(self._folder)
        return self._room

    def note(self, connection: sqlite3.Connection) -> None:
        """See how much lies free inside, if much has changed since. Called by the writer, on its thread."""
        if self._least and connection.total_changes - self._changes >= _CHANGES:
            self._changes = connection.total_changes
            self._inside = pragma(connection, "freelist_count") * pragma(connection, "page_size")

    def _found(self, folder: Path) -> Room:
        try:
            free = shutil.disk_usage(folder).free
        except OSError as error:  # a disk that cannot be asked may still be written; if not, the write says so
            log.warning("how much room there is on the disk cannot be seen: %s", error.strerror)
            return Room()
        enough = free >= self._least or (free >= self._least // ON_DISK and free + self._inside >= self._least)
        if enough is not self._room.enough:
            said = "there is room again" if enough else "new events are refused until there is room"
            log.warning("%d MiB are free on the disk, %d in the database: %s", free >> 20, self._inside >> 20, said)
        return Room(enough, free)
