"""The SQLite file: how it is opened, what is in it, and what a connection must promise before it is used."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from hub.errors import Rejected
from hub.storage.embedded import sought
from hub.storage.embedded.files import flush_folder

log = logging.getLogger(__name__)

SCHEMA_VERSION: Final = 2
"""The format of everything in the file: these tables and indexes, the text of columns (`values.py`). A change adds a
migration."""

APPLICATION_ID: Final = 0x4E45584F
"""NEXO: how a file says that it is ours."""

LEAST_SQLITE: Final = (3, 37, 0)
PAGE_BYTES: Final = 4096
CACHE_KIB: Final = 4096
"""Of each of three connections. The operating system keeps the file's pages too: four times as many spared no time."""
KEPT_LOG_BYTES: Final = 64 * 1024 * 1024
BUSY_SECONDS: Final = 5.0

# A row has a number and an index beside it instead of living in the index: rows are 1 to 60 KiB, and inside an index
# all but the first kilobyte of each would go to pages of its own. The index has the exact order that queries page in.
# Text compares by its UTF-8 bytes, which for the characters keys may have (limits.py) is the service's order too.
_SCHEMA: Final = f"""
CREATE TABLE rows(id INTEGER PRIMARY KEY, tbl TEXT NOT NULL, partition TEXT NOT NULL, key TEXT NOT NULL,
                  etag TEXT NOT NULL, columns TEXT NOT NULL) STRICT;
CREATE UNIQUE INDEX rows_by_key ON rows(tbl, partition, key);
{sought.SCHEMA}
CREATE TABLE messages(id INTEGER PRIMARY KEY, queue TEXT NOT NULL, visible_at INTEGER NOT NULL, receipt TEXT NOT NULL,
                      dequeue_count INTEGER NOT NULL, inserted_at INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE INDEX messages_by_time ON messages(queue, visible_at);
CREATE TABLE blobs(container TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
                   PRIMARY KEY(container, name)) STRICT, WITHOUT ROWID;
CREATE TABLE pieces(version INTEGER NOT NULL, number INTEGER NOT NULL, data BLOB NOT NULL,
                    PRIMARY KEY(version, number)) STRICT, WITHOUT ROWID;
CREATE TABLE uploads(version INTEGER PRIMARY KEY) STRICT;
CREATE TABLE openings(count INTEGER NOT NULL) STRICT;
INSERT INTO openings VALUES(0);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""

_MIGRATIONS: Final[Mapping[int, Callable[[sqlite3.Connection], None]]] = {1: sought.add}
"""What leads from a format to the next."""


class Versions:
    """Numbers that never come twice, across restarts too: for ETags, pop receipts and messages.

    The upper bits count how often the file was opened, so that a number needs no write of its own. Only the writer
    draws them.
    """

    def __init__(self, opening: int) -> None:
        self._last = opening << 40

    def number(self) -> int:
        """The next number; later ones are greater."""
        self._last += 1
        return self._last

    def text(self) -> str:
        """The next number as an ETag or a receipt."""
        return f"{self.number():x}"


def connect(path: Path | None, *, reading: bool = False) -> sqlite3.Connection:
    """A connection that promises what we rely on, to a file or to memory. Raises `Rejected` if it cannot."""
    if sqlite3.sqlite_version_info < LEAST_SQLITE:
        raise Rejected(f"SQLite {sqlite3.sqlite_version} is too old; {'.'.join(map(str, LEAST_SQLITE))} is needed.")
    if path is not None:
        # SQLite gives the log the same rights. Payloads are nobody else's business.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(
        path or ":memory:", isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS
    )
    try:
        _set_up(connection, path, reading=reading)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise Rejected(f"{path} cannot be used as a database: {error}.") from error
    except BaseException:
        connection.close()
        raise
    return connection


def create_or_check(connection: sqlite3.Connection, path: Path | None) -> Versions:
    """Make the tables in a new file, check the version of an old one. Raises `Rejected` for one of a newer release."""
    found = pragma(connection, "user_version")
    if found > SCHEMA_VERSION:
        raise Rejected(
            f"{path} was written by a newer release: its format is {found}, this release reads up to {SCHEMA_VERSION}."
        )
    if found == 0:
        if connection.execute("SELECT 1 FROM sqlite_schema").fetchall():
            raise Rejected(f"{path} is a database of another program.")
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        if path is not None:
            flush_folder(path.parent)  # else a new file may be gone after a power loss
    elif pragma(connection, "application_id") != APPLICATION_ID:
        raise Rejected(f"{path} is a database of another program.")
    elif found < SCHEMA_VERSION:
        _migrate(connection, path, found)
    return _open_once_more(connection)


def latest_time(connection: sqlite3.Connection) -> int:
    """When a queue was last written here, by the clock of then, in microseconds since 1970; 0 if never."""
    return int(connection.execute("SELECT ifnull(max(latest), 0) FROM times").fetchone()[0])


def note_time(connection: sqlite3.Connection, latest: int) -> None:
    """A queue is being written now."""
    connection.execute("DELETE FROM times")
    connection.execute("INSERT INTO times VALUES(?)", (latest,))


def check_integrity(connection: sqlite3.Connection) -> list[str]:
    """What SQLite finds wrong with the file; nothing, if all is well."""
    try:
        return [line for (line,) in connection.execute("PRAGMA integrity_check").fetchall() if line != "ok"]
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        return [str(error)]  # too damaged to go on looking


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """The value of a pragma that is a number."""
    ((value,),) = connection.execute(f"PRAGMA {name}").fetchall()
    return int(value)


def _migrate(connection: sqlite3.Connection, path: Path | None, found: int) -> None:
    """Bring a file of an older release to this one's format: all of it or, if the process dies meanwhile, nothing."""
    log.warning(
        "%s is being brought from format %d to %d; a million events take about 15 s", path, found, SCHEMA_VERSION
    )
    connection.execute("BEGIN IMMEDIATE")
    for version in range(found, SCHEMA_VERSION):
        _MIGRATIONS[version](connection)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")
    log.warning("%s is of format %d now", path, SCHEMA_VERSION)


def _open_once_more(connection: sqlite3.Connection) -> Versions:
    """Count this opening, and drop the pieces of blobs that a dead process left unfinished."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("CREATE TABLE IF NOT EXISTS times(latest INTEGER NOT NULL) STRICT")  # files before it lack it
    connection.execute("UPDATE openings SET count = count + 1")
    connection.execute("DELETE FROM pieces WHERE version IN (SELECT version FROM uploads)")
    connection.execute("DELETE FROM uploads")
    ((opening,),) = connection.execute("SELECT count FROM openings").fetchall()
    connection.execute("COMMIT")
    return Versions(opening)


def _set_up(connection: sqlite3.Connection, path: Path | None, *, reading: bool) -> None:
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA trusted_schema = OFF")
    # Some builds overwrite all that is deleted, at the price of writing it once more; this does where it is free.
    connection.execute("PRAGMA secure_delete = FAST").fetchall()
    # A mapped file turns a read error into the death of the process (SIGBUS), and spared nothing measurable.
    connection.execute("PRAGMA mmap_size = 0").fetchall()
    if path is not None:
        _make_durable(connection, path)
    connection.execute(f"PRAGMA query_only = {'ON' if reading else 'OFF'}")


def _make_durable(connection: sqlite3.Connection, path: Path) -> None:
    """Acknowledged means on the disk: check that this is what SQLite will do."""
    ((mode,),) = connection.execute("PRAGMA journal_mode = WAL").fetchall()
    if mode != "wal":
        raise Rejected(f"{path} cannot be used: its file system does not carry a write-ahead log (mode {mode}).")
    connection.execute("PRAGMA synchronous = FULL")
    if pragma(connection, "synchronous") != 2:
        raise Rejected(f"{path} cannot be used: SQLite refuses to flush each commit to the disk.")
    connection.execute("PRAGMA fullfsync = ON")  # macOS: flush the disk's own cache too
    connection.execute("PRAGMA checkpoint_fullfsync = ON")
    connection.execute("PRAGMA wal_autocheckpoint = 0").fetchall()  # GroupCommit.rest does it, after the answers
    connection.execute(f"PRAGMA journal_size_limit = {KEPT_LOG_BYTES}").fetchall()
