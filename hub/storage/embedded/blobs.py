"""Blobs, in the same SQLite file as everything else: one file to back up, and one that cannot contradict itself.

A blob is cut into pieces, written a mebibyte at a time, so that a big one does not hold up everybody's commits. It
appears under its name with the last of them, in one step; until then the old one is there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Final

from hub.errors import Missing
from hub.storage import limits
from hub.storage.counting import OperationCounter
from hub.storage.embedded.database import Versions
from hub.storage.embedded.lanes import Lane

PIECE_BYTES: Final = 64 * 1024
PIECES_AT_A_TIME: Final = 16


class EmbeddedBlobs:
    """Blobs by container and name."""

    def __init__(self, writes: Lane, queries: Lane, versions: Versions, operations: OperationCounter) -> None:
        self._writes = writes
        self._queries = queries
        self._versions = versions
        self._operations = operations

    async def put(self, container: str, name: str, data: bytes) -> None:
        limits.check_blob(container, name)
        self._operations.add("blob.put")
        pieces = _cut(data)
        if len(pieces) <= PIECES_AT_A_TIME:
            await self._writes.run(lambda c: _finish(c, container, name, self._versions.number(), 0, pieces))
            return
        # What a death or a cancellation leaves of the pieces is noted as an upload, and swept at the next opening.
        version = await self._writes.run(self._begin)
        start = 0
        while len(pieces) - start > PIECES_AT_A_TIME:
            some = pieces[start : start + PIECES_AT_A_TIME]
            await self._writes.run(partial(_write_pieces, version=version, first=start, pieces=some))
            start += PIECES_AT_A_TIME
        await self._writes.run(lambda c: _finish(c, container, name, version, start, pieces[start:]))

    async def get(self, container: str, name: str) -> bytes:
        limits.check_blob(container, name)
        self._operations.add("blob.get")
        return await self._queries.run(lambda connection: _get(connection, container, name))

    async def get_part(self, container: str, name: str, first: int, count: int) -> bytes:
        limits.check_blob(container, name)
        self._operations.add("blob.get")
        return await self._queries.run(lambda connection: _get_part(connection, container, name, first, count))

    async def delete(self, container: str, name: str) -> None:
        limits.check_blob(container, name)
        self._operations.add("blob.delete")
        await self._writes.run(lambda connection: _delete(connection, container, name))

    def _begin(self, connection: sqlite3.Connection) -> int:
        version = self._versions.number()
        connection.execute("INSERT INTO uploads(version) VALUES(?)", (version,))
        return version


def _cut(data: bytes) -> list[memoryview]:
    """Views, not copies; at least one piece, so that an empty blob is there too."""
    view = memoryview(data)
    return [view[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)] or [view]


def _write_pieces(connection: sqlite3.Connection, version: int, first: int, pieces: Sequence[memoryview]) -> None:
    connection.executemany(
        "INSERT INTO pieces(version, number, data) VALUES(?, ?, ?)",
        [(version, number, piece) for number, piece in enumerate(pieces, first)],
    )


def _finish(
    connection: sqlite3.Connection, container: str, name: str, version: int, first: int, pieces: Sequence[memoryview]
) -> None:
    """Write the last pieces and put the blob under its name, in place of the one that was there."""
    _delete(connection, container, name)
    _write_pieces(connection, version, first, pieces)
    connection.execute("INSERT INTO blobs(container, name, version) VALUES(?, ?, ?)", (container, name, version))
    connection.execute("DELETE FROM uploads WHERE version = ?", (version,))


def _get(connection: sqlite3.Connection, container: str, name: str) -> bytes:
    # One statement, so that a blob overwritten meanwhile is read whole: the old one or the new one.
    pieces = connection.execute(
        "SELECT data FROM blobs JOIN pieces USING (version) WHERE container = ? AND name = ? ORDER BY number",
        (container, name),
    ).fetchall()
    if not pieces:
        raise Missing
    return b"".join(piece for (piece,) in pieces)


def _get_part(connection: sqlite3.Connection, container: str, name: str, first: int, count: int) -> bytes:
    from_piece, to_piece = first // PIECE_BYTES, (first + count - 1) // PIECE_BYTES
    pieces = connection.execute(
        "SELECT data FROM blobs JOIN pieces USING (version)"
        " WHERE container = ? AND name = ? AND number BETWEEN ? AND ? ORDER BY number",
        (container, name, from_piece, to_piece),
    ).fetchall()
    if not pieces:
        raise Missing
    start = first - from_piece * PIECE_BYTES
    return b"".join(piece for (piece,) in pieces)[start : start + count]


def _delete(connection: sqlite3.Connection, container: str, name: str) -> None:
    address = (container, name)
    connection.execute(
        "DELETE FROM pieces WHERE version = (SELECT version FROM blobs WHERE container = ? AND name = ?)", address
    )
    connection.execute("DELETE FROM blobs WHERE container = ? AND name = ?", address)
