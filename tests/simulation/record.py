"""What really happened in storage: every effective write to an event's row, and every hint that was put.

It lies directly on the engine, below all faults, so it sees effects and no opinions.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from hub.rules import partitions
from hub.storage.counting import OperationCounter
from hub.storage.keys import EVENTS
from hub.storage.ports import (
    Anchors,
    Blobs,
    Change,
    Delete,
    Found,
    Message,
    Queues,
    Room,
    Row,
    Storage,
    Tables,
    Value,
    Values,
)

FINAL = frozenset({"SUCCESS", "WARNING", "ERROR"})


@dataclass(frozen=True, slots=True)
class Write:
    """One write to an event's row. `before` is None for an insert, `after` for a removal."""

    at: float
    event_id: str
    before: Mapping[str, Value] | None
    after: Mapping[str, Value] | None


class Record:
    """The history of all events of a run."""

    def __init__(self, on_write: Callable[[Write], None]) -> None:
        self._on_write = on_write
        self.rows: dict[str, Mapping[str, Value]] = {}
        """Every event's row as it is now."""
        self.open: set[str] = set()
        """Events that are not final, or owe something."""
        self.history: defaultdict[str, list[Write]] = defaultdict(list)
        self.puts: Counter[str] = Counter()
        """Hints put for each event, for whatever reason."""
        self.met: Counter[str] = Counter()
        """How often a hint of each event was received."""

    def wrote(self, key: str, after: Mapping[str, Value] | None) -> None:
        event_id = partitions.id_of(key)
        write = Write(asyncio.get_running_loop().time(), event_id, self.rows.get(event_id), after)
        if after is None:
            del self.rows[event_id]
        else:
            self.rows[event_id] = after
        if after is not None and (after.get("state") not in FINAL or after.get("owes")):
            self.open.add(event_id)
        else:
            self.open.discard(event_id)
        self.history[event_id].append(write)
        self._on_write(write)

    def merged(self, key: str, values: Values) -> None:
        before = self.rows[partitions.id_of(key)]
        self.wrote(key, {**before, **values})

    def put(self, body: str) -> None:
        self.puts[event_of(body)] += 1


def event_of(body: str) -> str:
    """The event that a message is about."""
    return str(json.loads(body)["id"])


class RecordedStorage:
    """An engine under observation. A `hub.storage.ports.Storage`."""

    def __init__(self, engine: Storage, record: Record) -> None:
        self._engine = engine
        self.tables: Tables = _RecordedTables(engine.tables, record)
        self.queues: Queues = _RecordedQueues(engine.queues, record)
        self.blobs: Blobs = engine.blobs
        self.anchors: Anchors = engine.anchors

    @property
    def operations(self) -> OperationCounter:
        return self._engine.operations

    def clock_offset(self) -> timedelta:
        return self._engine.clock_offset()

    def room(self) -> Room:
        return self._engine.room()

    async def prepare(self) -> None:
        await self._engine.prepare()

    async def close(self) -> None:
        await self._engine.close()


class _RecordedTables:
    """Nothing is awaited between an effect and its record: no other effect can come between."""

    def __init__(self, engine: Tables, record: Record) -> None:
        self._engine = engine
        self._record = record

    async def get(self, table: str, partition: str, key: str) -> Row:
        return await self._engine.get(table, partition, key)

    async def query(
        self,
        table: str,
        partition: str,
        *,
        after: str = "",
        before: str | None = None,
        limit: int = 1000,
        select: Sequence[str] | None = None,
        where: Values | None = None,
    ) -> list[Row]:
        return await self._engine.query(
            table, partition, after=after, before=before, limit=limit, select=select, where=where
        )

    async def search(
        self,
        table: str,
        partition: str,
        *,
        where: Values,
        after: str = "",
        limit: int = 1000,
        most: int = 1000,
        select: Sequence[str] | None = None,
    ) -> Found:
        return await self._engine.search(
            table, partition, where=where, after=after, limit=limit, most=most, select=select
        )

    async def insert(self, table: str, partition: str, key: str, values: Values) -> str:
        etag = await self._engine.insert(table, partition, key, values)
        self._wrote(table, key, values)
        return etag

    async def put(self, table: str, partition: str, key: str, values: Values) -> str:
        etag = await self._engine.put(table, partition, key, values)
        self._wrote(table, key, values)
        return etag

    async def replace(self, table: str, partition: str, key: str, values: Values, etag: str) -> str:
        new = await self._engine.replace(table, partition, key, values, etag)
        self._wrote(table, key, values)
        return new

    async def merge(self, table: str, partition: str, key: str, values: Values, etag: str) -> str:
        new = await self._engine.merge(table, partition, key, values, etag)
        if table == EVENTS:
            self._record.merged(key, values)
        return new

    async def delete(self, table: str, partition: str, key: str, etag: str) -> None:
        await self._engine.delete(table, partition, key, etag)
        self._wrote(table, key, None)

    async def transact(self, table: str, partition: str, changes: Sequence[Change]) -> None:
        await self._engine.transact(table, partition, changes)
        for change in changes:
            self._wrote(table, change.key, None if isinstance(change, Delete) else change.values)

    def _wrote(self, table: str, key: str, values: Values | None) -> None:
        if table == EVENTS:
            self._record.wrote(key, None if values is None else dict(values))


class _RecordedQueues:
    def __init__(self, engine: Queues, record: Record) -> None:
        self._engine = engine
        self._record = record

    async def put(self, queue: str, body: str, *, hidden_seconds: float = 0) -> None:
        await self._engine.put(queue, body, hidden_seconds=hidden_seconds)
        self._record.put(body)

    async def receive(self, queue: str, *, count: int, hidden_seconds: float) -> list[Message]:
        messages = await self._engine.receive(queue, count=count, hidden_seconds=hidden_seconds)
        for message in messages:
            self._record.met[event_of(message.body)] += 1
        return messages

    async def update(
        self, queue: str, message_id: str, receipt: str, *, hidden_seconds: float, body: str | None = None
    ) -> str:
        return await self._engine.update(queue, message_id, receipt, hidden_seconds=hidden_seconds, body=body)

    async def delete(self, queue: str, message_id: str, receipt: str) -> None:
        await self._engine.delete(queue, message_id, receipt)

    async def depth(self, queue: str) -> int:
        return await self._engine.depth(queue)
