"""A copy of a database that a running hub goes on writing to.

SQLite's backup interface reads one snapshot, step by step, on a connection that cannot write. A write-ahead log lets
the hub's writes go on beside it; only the log cannot begin anew until the copy is done, and grows by what is written
meanwhile. Without the snapshot each write of the hub would make the copy begin again: under load it would never end.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hub.errors import Rejected
from hub.storage.embedded.database import APPLICATION_ID, BUSY_SECONDS, SCHEMA_VERSION, check_integrity, pragma
from hub.storage.embedded.files import flush_file, write_private

PAGES_A_STEP: Final = 256
"""A megabyte: what one step reads before it lets go of the locks of SQLite's memory, and can be stopped."""
MOST_OPENINGS: Final = 1 << 23
"""What `Versions` has bits for: a number must fit into 64 with its sign."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy is of."""

    format: int
    """Of the file."""
    openings: int


def size_of(path: Path) -> int:
    """How many bytes a copy will have. Raises `Rejected` if this is no database of the hub."""
    with closing(_reading(path)) as source:
        return pragma(source, "page_count") * pragma(source, "page_size")


def copy_database(path: Path, target: Path, on_step: Callable[[int, int], None] = lambda _, __: None) -> Copied:
    """Copy the database as it is at this moment into a new file, and check the copy. Blocks.

    The hub may be running, or not. `on_step` is told how many pages are left, and of how many; what it raises ends the
    copy. Raises `Rejected` for what is no database of this release or an earlier one, or has damage.
    """
    write_private(target, b"")
    try:
        copied, found = _copy(path, target, on_step)
    except sqlite3.Error as error:
        raise Rejected(f"{path} cannot be copied: {error}.") from error
    if found:
        raise Rejected(f"{path} is damaged, and so is its copy: {'; '.join(found[:3])}")
    flush_file(target)
    return copied


def _copy(path: Path, target: Path, on_step: Callable[[int, int], None]) -> tuple[Copied, list[str]]:
    """What it is of, and what is wrong with it."""
    with closing(_reading(path)) as source, closing(sqlite3.connect(target, isolation_level=None)) as copy:
        copied = _snapshot(source, path)
        copy.execute("PRAGMA synchronous = OFF")  # flushed as a whole, later: half a copy is none
        copy.execute("PRAGMA journal_mode = OFF").fetchall()
        source.backup(copy, pages=PAGES_A_STEP, progress=lambda _, left, all_: on_step(left, all_))
        source.execute("ROLLBACK")
        # One file, without a log of its own: it must be possible to read it from where nothing can be written.
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()
        return copied, check_integrity(copy)


def move_on(path: Path, beyond: int, by: int) -> None:
    """Let the next opening of this file, which nobody has open, count from far ahead.

    What an opening gives out (ETags, receipts, numbers of messages) begins with its count. A file that was put back
    would give out once more what it gave out after the copy was made. `beyond`: a count that was reached elsewhere.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        ((count,),) = connection.execute("SELECT count FROM openings").fetchall()
        following = max(count, beyond) + by
        if following >= MOST_OPENINGS:
            raise Rejected(f"{path} has been restored too often: its count of openings is {count}")
        connection.execute("UPDATE openings SET count = ?", (following,))


def openings_of(path: Path) -> int:
    """How often this file was opened; 0 if it cannot be read: it may be the reason why another is put in its place."""
    try:
        with closing(_reading(path)) as connection:
            ((count,),) = connection.execute("SELECT count FROM openings").fetchall()
            return int(count)
    except (Rejected, sqlite3.Error):
        return 0


def _reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, nor copy the log into the file when it is the last one to close.

    Only the hub's own writer may do that (`GroupCommit.rest` says why). SQLite needs the lock of a writer for it, which
    the system refuses on a file that was opened for reading.
    """
    if not path.is_file():
        raise Rejected(f"there is no database {path}")
    address = f"{path.resolve().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=BUSY_SECONDS)
    try:
        connection.execute("PRAGMA query_only = ON")
        if pragma(connection, "application_id") != APPLICATION_ID:
            raise Rejected(f"{path} is no database of the hub.")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise Rejected(f"{path} cannot be read as a database: {error}.") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _snapshot(source: sqlite3.Connection, path: Path) -> Copied:
    source.execute("BEGIN")
    ((openings,),) = source.execute("SELECT count FROM openings").fetchall()  # from here on it sees nothing newer
    found = pragma(source, "user_version")
    if found > SCHEMA_VERSION:
        raise Rejected(f"{path} is of format {found}, of a newer release; this one reads up to {SCHEMA_VERSION}.")
    return Copied(found, openings)
