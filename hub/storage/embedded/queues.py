"""Queues with visibility, in SQLite. Times are microseconds since 1970, by the clock that was passed in.

That clock may be set back, while the process runs or while it is down. What was visible would then be hidden until the
clock has come back to where it was; so the messages go back with it.
"""

from __future__ import annotations

import logging
import sqlite3
from datetime import UTC, datetime
from functools import partial
from typing import Final

from hub.clock import Clock
from hub.errors import StaleReceipt
from hub.storage import limits
from hub.storage.counting import OperationCounter
from hub.storage.embedded.database import Versions, note_time
from hub.storage.embedded.lanes import Lane
from hub.storage.ports import Message

_MICROSECONDS: Final = 1_000_000
_TOLERATED: Final = _MICROSECONDS
"""A clock that is set back by less makes nobody wait for long."""

log = logging.getLogger(__name__)


class EmbeddedQueues:
    """Messages of all queues, in one SQL table with an index by the time they become visible."""

    def __init__(
        self,
        writes: Lane,
        queries: Lane,
        versions: Versions,
        operations: OperationCounter,
        clock: Clock,
        latest: int,
    ) -> None:
        """`latest`: when a queue was last written here, by the clock of then."""
        self._writes = writes
        self._queries = queries
        self._versions = versions
        self._operations = operations
        self._clock = clock
        self._latest = self._noted = latest

    async def put(self, queue: str, body: str, *, hidden_seconds: float = 0) -> None:
        limits.check_queue(queue)
        limits.check_body(body)
        now, visible_at = await self._times(limits.hidden_for(hidden_seconds))
        self._operations.add("queue.put")
        await self._writes.run(lambda connection: self._put(connection, queue, body, now, visible_at))

    async def receive(self, queue: str, *, count: int, hidden_seconds: float) -> list[Message]:
        limits.check_queue(queue)
        limits.check_count(count)
        now, visible_at = await self._times(limits.hidden_for(hidden_seconds, least=limits.MIN_RECEIVE_HIDDEN_SECONDS))
        self._operations.add("queue.receive")
        return await self._writes.run(lambda connection: self._receive(connection, queue, count, now, visible_at))

    async def update(
        self, queue: str, message_id: str, receipt: str, *, hidden_seconds: float, body: str | None = None
    ) -> str:
        limits.check_queue(queue)
        limits.check_body(body or "")
        now, visible_at = await self._times(limits.hidden_for(hidden_seconds))
        address = (_number(message_id), queue, receipt)
        self._operations.add("queue.update")
        return await self._writes.run(lambda connection: self._update(connection, address, (now, visible_at), body))

    async def delete(self, queue: str, message_id: str, receipt: str) -> None:
        limits.check_queue(queue)
        self._operations.add("queue.delete")
        await self._writes.run(partial(_delete, address=(_number(message_id), queue, receipt)))

    async def depth(self, queue: str) -> int:
        limits.check_queue(queue)
        self._operations.add("queue.depth")
        return await self._queries.run(partial(_depth, queue=queue))

    async def _times(self, hidden_seconds: float) -> tuple[int, int]:
        """Now, and when a message hidden for so long is visible again."""
        now = round(self._clock.now().timestamp() * _MICROSECONDS)
        if now < self._latest - _TOLERATED:
            await self._go_back(now)
        self._latest = max(self._latest, now)
        return now, now + round(hidden_seconds * _MICROSECONDS)

    async def _go_back(self, now: int) -> None:
        behind, self._latest = self._latest - now, now  # before the wait: whoever asks meanwhile must not go back too
        log.warning("the clock was set back by %.0f s: hints go back with it, leases end so much later", behind / 1e6)

        def go_back(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE messages SET visible_at = visible_at - ? WHERE visible_at > ?", (behind, now))
            note_time(connection, now)
            self._noted = now

        await self._writes.run(go_back)

    def _note(self, connection: sqlite3.Connection, now: int) -> None:
        """Let the next process know what time it was, once a second at most."""
        if now - self._noted > _MICROSECONDS:
            note_time(connection, now)
            self._noted = now

    def _put(self, connection: sqlite3.Connection, queue: str, body: str, now: int, visible_at: int) -> None:
        self._note(connection, now)
        connection.execute(
            "INSERT INTO messages(id, queue, visible_at, receipt, dequeue_count, inserted_at, body)"
            " VALUES(?, ?, ?, '', 0, ?, ?)",
            (self._versions.number(), queue, visible_at, now, body),
        )

    def _receive(
        self, connection: sqlite3.Connection, queue: str, count: int, now: int, visible_at: int
    ) -> list[Message]:
        """Look first: a queue with nothing to give must cost no write."""
        found = connection.execute(
            "SELECT id, body, dequeue_count + 1, inserted_at FROM messages"
            " WHERE queue = ? AND visible_at <= ? ORDER BY visible_at, id LIMIT ?",
            (queue, now, count),
        ).fetchall()
        if found:
            self._note(connection, now)
        receipts = [self._versions.text() for _ in found]
        connection.executemany(
            "UPDATE messages SET visible_at = ?, receipt = ?, dequeue_count = dequeue_count + 1 WHERE id = ?",
            [(visible_at, receipt, row[0]) for receipt, row in zip(receipts, found, strict=True)],
        )
        return [_message(receipt, *row) for receipt, row in zip(receipts, found, strict=True)]

    def _update(
        self, connection: sqlite3.Connection, address: tuple[int, str, str], times: tuple[int, int], body: str | None
    ) -> str:
        now, visible_at = times
        self._note(connection, now)
        receipt = self._versions.text()
        updated = connection.execute(
            "UPDATE messages SET visible_at = ?, receipt = ?, body = coalesce(?, body)"
            " WHERE id = ? AND queue = ? AND receipt = ?",
            (visible_at, receipt, body, *address),
        )
        if not updated.rowcount:
            raise StaleReceipt
        return receipt


def _delete(connection: sqlite3.Connection, address: tuple[int, str, str]) -> None:
    if not connection.execute("DELETE FROM messages WHERE id = ? AND queue = ? AND receipt = ?", address).rowcount:
        raise StaleReceipt


def _depth(connection: sqlite3.Connection, queue: str) -> int:
    ((count,),) = connection.execute("SELECT count(*) FROM messages WHERE queue = ?", (queue,)).fetchall()
    return int(count)


def _message(receipt: str, number: int, body: str, dequeue_count: int, inserted_at: int) -> Message:
    inserted = datetime.fromtimestamp(inserted_at / _MICROSECONDS, UTC)
    return Message(f"{number:x}", receipt, body, dequeue_count, inserted)


def _number(message_id: str) -> int:
    """The number behind a message's id. One that no message can have finds no message."""
    try:
        number = int(message_id, 16)
    except ValueError:
        return -1
    return number if number < 1 << 63 else -1
