"""The embedded engine put together: one SQLite file, or memory, behind the ports."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

from hub.clock import Clock
from hub.errors import Rejected
from hub.storage.counting import OperationCounter
from hub.storage.embedded.anchors import EmbeddedAnchors
from hub.storage.embedded.blobs import EmbeddedBlobs
from hub.storage.embedded.commits import GROUP, GroupCommit, Reads
from hub.storage.embedded.database import Versions, check_integrity, connect, create_or_check, latest_time
from hub.storage.embedded.lanes import InlineLane, Lane, ThreadLane
from hub.storage.embedded.lock import FileLock
from hub.storage.embedded.queues import EmbeddedQueues
from hub.storage.embedded.replacing import finish
from hub.storage.embedded.room import DiskRoom
from hub.storage.embedded.tables import EmbeddedTables
from hub.storage.ports import Anchors, Blobs, Queues, Room, Tables

READ_BATCH: Final = 8
"""Reads answered together: enough to spare wake-ups, few enough that the first does not wait for the rest."""

SWITCH_SECONDS: Final = 0.0001
"""After this long a thread of the interpreter gives way to one that waits. With the usual 5 ms an event loop that is
busy all the time starves the storage threads, which need the interpreter for microseconds but often: ten writes a
second were left of thousands."""


class EmbeddedStorage:
    """Tables, queues and blobs of one process. Made by `open_embedded`."""

    def __init__(
        self,
        writes: Lane,
        gets: Lane,
        queries: Lane,
        versions: Versions,
        clock: Clock,
        latest: int,
        release: Callable[[], None],
        room: DiskRoom,
        folder: Path | None = None,
    ) -> None:
        """The lanes may be one and the same. `latest`: when a queue was last written, by the clock of then.

        `folder`: where what does not lie in the database lies; None: in memory.

        `release` is called once, when all of the lanes are closed.
        """
        self._writes = writes
        self._queries = queries
        self._lanes = (gets, queries, writes)
        self._release = release
        self._room = room
        self._released = False
        self._operations = OperationCounter()
        self._tables = EmbeddedTables(writes, gets, queries, versions, self._operations)
        self._queues = EmbeddedQueues(writes, queries, versions, self._operations, clock, latest)
        self._blobs = EmbeddedBlobs(writes, queries, versions, self._operations)
        self._anchors = EmbeddedAnchors(folder, self._operations)

    @property
    def tables(self) -> Tables:
        return self._tables

    @property
    def queues(self) -> Queues:
        return self._queues

    @property
    def blobs(self) -> Blobs:
        return self._blobs

    @property
    def anchors(self) -> Anchors:
        return self._anchors

    @property
    def operations(self) -> OperationCounter:
        """One for each call of a port."""
        return self._operations

    def clock_offset(self) -> timedelta:
        """Zero: storage goes by this process's clock."""
        return timedelta(0)

    def room(self) -> Room:
        return self._room.look()

    async def prepare(self) -> None:
        """Make sure that the file can be written. Tables, queues and containers need not be made here."""
        await self._writes.run(_write_something)

    async def integrity_check(self) -> list[str]:
        """What SQLite finds wrong with the database; nothing if all is well. Queries wait while it reads all of it."""
        return await self._queries.run(check_integrity)

    async def close(self) -> None:
        """Carry out what was asked before, then let go of the file. May be called again."""
        for lane in self._lanes:
            lane.refuse()
        for lane in self._lanes:  # the writer last: the last connection copies the log into the file
            await lane.close()
        if not self._released:
            self._released = True
            self._release()


def open_embedded(path: Path | None, clock: Clock, least_free_bytes: int = 0) -> EmbeddedStorage:
    """Open the database at `path`, making it if it is not there; None is a new one in memory.

    `least_free_bytes`: with less on the disk there is no room for new events; 0: nobody looks.

    Blocks while it reads the file, and lowers the interpreter's thread switch interval for the whole process. In memory
    every call is carried out on the calling task, without threads. Raises `Unavailable` if another process has the file
    open, `Rejected` if it is not a database this release can read.
    """
    if path is None:
        connection = connect(None)
        lane = InlineLane(connection, GroupCommit())
        versions, endless = create_or_check(connection, None), DiskRoom(None, 0, clock)
        return EmbeddedStorage(lane, lane, lane, versions, clock, 0, _nothing, endless)
    try:
        lock = FileLock(path)
    except OSError as error:
        raise Rejected(f"{path} cannot be opened: {error.strerror}.") from error
    try:
        finish(path)  # a restore that was decided, and died
        return _open_file(path, clock, lock.release, DiskRoom(path.parent, least_free_bytes, clock))
    except BaseException:
        lock.release()
        raise


def _open_file(path: Path, clock: Clock, release: Callable[[], None], room: DiskRoom) -> EmbeddedStorage:
    opened: list[sqlite3.Connection] = []
    try:
        writing = connect(path)
        opened.append(writing)
        versions, latest = create_or_check(writing, path), latest_time(writing)
        opened += [connect(path, reading=True), connect(path, reading=True)]
    except BaseException:
        for connection in opened:
            connection.close()
        raise
    _, getting, querying = opened
    sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_SECONDS))
    writes = ThreadLane("storage-writes", writing, GroupCommit(room.note), batch=GROUP)
    gets = ThreadLane("storage-gets", getting, Reads(), batch=READ_BATCH)
    queries = ThreadLane("storage-queries", querying, Reads(), batch=1)
    return EmbeddedStorage(writes, gets, queries, versions, clock, latest, release, room, path.parent)


def _write_something(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE openings SET count = count")


def _nothing() -> None:
    """In memory there is no lock to let go of."""
