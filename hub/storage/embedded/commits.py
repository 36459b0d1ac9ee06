"""Writing in groups: everything that waits goes into one transaction, and one flush to the disk serves all of it.

Reading has its counterpart here, because both turn SQLite's errors into ours in the same place.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from hub.errors import NexomaticError, Unavailable
from hub.storage.embedded.lanes import Operation, Outcome

log = logging.getLogger(__name__)

GROUP: Final = 256
"""The most operations in one transaction; it bounds how long the first of them waits for the last."""

# Rows changed since the last checkpoint. A changed row is two pages of the log, a large one up to seventeen.
CHECKPOINT_WHEN_IDLE: Final = 500
CHECKPOINT_ALWAYS: Final = 4000


class GroupCommit:
    """Carries out a group of operations in one transaction; nobody is answered before it is on the disk.

    An operation may raise one of our own errors, and must not have written anything then. Any other error undoes the
    group, and its operations are tried again one by one, so that only the culprit fails. On a full or failing disk that
    is all of them: they raise `Unavailable`, and the next group finds out whether there is space again.
    """

    def __init__(self, note: Callable[[sqlite3.Connection], None] | None = None) -> None:
        """`note` is shown the database after each group."""
        self._failing = False
        self._note_room = note
        self._checkpointed_at = 0

    def carry_out(self, connection: sqlite3.Connection, operations: Sequence[Operation[Any]]) -> list[Outcome]:
        try:
            outcomes = _commit(connection, operations)
        except Exception as error:  # noqa: BLE001  # whatever it is, nothing of the group may remain
            with suppress(sqlite3.Error):  # then the next group begins with it
                _undo(connection)
            if len(operations) > 1:
                return [outcome for each in operations for outcome in self.carry_out(connection, (each,))]
            self._note(error)
            return [(None, _ours(error))]
        self._note(None)
        return outcomes

    def rest(self, connection: sqlite3.Connection, *, idle: bool) -> None:
        """Copy the log into the database file, when it is long and nobody waits, or when it is very long.

        Only this connection ever checkpoints. With a second one doing so, versions of SQLite before 3.51.3 can lose
        pages (the "WAL-reset bug"); besides, a writer that never pauses would keep another from finishing.
        """
        if self._note_room is not None:
            self._note_room(connection)
        changes = connection.total_changes - self._checkpointed_at
        if changes < (CHECKPOINT_WHEN_IDLE if idle else CHECKPOINT_ALWAYS):
            return
        self._checkpointed_at = connection.total_changes
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:  # the log still has everything; the next checkpoint tries again
            log.warning("The log could not be copied into the database: %s", _named(error))

    def _note(self, error: Exception | None) -> None:
        """Log the first failure of the disk and the recovery from it, not each failure."""
        if isinstance(error, sqlite3.Error) and not self._failing:
            self._failing = True
            log.error("Writing to the database fails: %s", _named(error))
        elif error is None and self._failing:
            self._failing = False
            log.warning("Writing to the database works again.")


class Reads:
    """Carries out reads one by one: each sees everything that was acknowledged before it began."""

    def carry_out(self, connection: sqlite3.Connection, operations: Sequence[Operation[Any]]) -> list[Outcome]:
        return [_outcome(connection, operation) for operation in operations]

    def rest(self, connection: sqlite3.Connection, *, idle: bool) -> None:
        """A reader leaves nothing behind."""


def _outcome(connection: sqlite3.Connection, operation: Operation[Any]) -> Outcome:
    try:
        return operation(connection), None
    except Exception as error:  # noqa: BLE001  # it belongs to the caller, who waits on another thread
        return None, _ours(error)


def _commit(connection: sqlite3.Connection, operations: Sequence[Operation[Any]]) -> list[Outcome]:
    _undo(connection)
    # Deferred: a group that finds nothing to write (an empty queue) takes no lock, writes nothing and flushes nothing.
    connection.execute("BEGIN")
    outcomes: list[Outcome] = []
    for operation in operations:
        try:
            outcomes.append((operation(connection), None))
        except NexomaticError as error:
            outcomes.append((None, error))
    connection.execute("COMMIT")
    return outcomes


def _undo(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # SQLite has already undone it after some errors
        connection.execute("ROLLBACK")


def _ours(error: Exception) -> Exception:
    if not isinstance(error, sqlite3.Error):
        return error
    ours = Unavailable(f"The database could not carry it out: {_named(error)}")
    ours.__cause__ = error
    return ours


def _named(error: sqlite3.Error) -> str:
    return f"{getattr(error, 'sqlite_errorname', type(error).__name__)} ({error})"
