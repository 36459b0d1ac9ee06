"""What a test of the contract is given beside the engine: a way to let time pass, and addresses of its own."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hub.storage.azure import open_azure
from hub.storage.embedded import open_embedded
from hub.storage.ports import Message, Queues, Row, Storage, Tables, Value, Values


class ManualClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self._now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Rig:
    """An opened engine, how time passes for it, and what time it is there."""

    storage: Storage
    elapse: Callable[[float], Awaitable[None]]
    now: Callable[[], datetime]


@asynccontextmanager
async def embedded_rig(path: Path | None) -> AsyncIterator[Rig]:
    """The embedded engine on a clock that is moved by hand."""
    clock = ManualClock()
    storage = open_embedded(path, clock)

    async def elapse(seconds: float) -> None:
        clock.advance(seconds)

    await storage.prepare()
    yield Rig(storage, elapse, clock.now)
    await storage.close()


@asynccontextmanager
async def azure_rig(connection_string: str) -> AsyncIterator[Rig]:
    """The Azure engine, on the clock of the machine it shares with the emulator."""
    storage = await open_azure(connection_string)
    await storage.prepare()
    yield Rig(storage, sleep, lambda: datetime.now(UTC))
    await storage.close()


@dataclass(frozen=True)
class Partition:
    """The rows of one partition, for tests that need no more."""

    tables: Tables
    table: str
    name: str

    async def insert(self, key: str, **values: Value) -> str:
        return await self.tables.insert(self.table, self.name, key, values)

    async def get(self, key: str) -> Row:
        return await self.tables.get(self.table, self.name, key)

    async def put(self, key: str, **values: Value) -> str:
        return await self.tables.put(self.table, self.name, key, values)

    async def replace(self, key: str, etag: str, **values: Value) -> str:
        return await self.tables.replace(self.table, self.name, key, values, etag)

    async def merge(self, key: str, etag: str, **values: Value) -> str:
        return await self.tables.merge(self.table, self.name, key, values, etag)

    async def delete(self, key: str, etag: str) -> None:
        await self.tables.delete(self.table, self.name, key, etag)

    async def keys(self, *, after: str = "", before: str | None = None, where: Values | None = None) -> list[str]:
        rows = await self.tables.query(self.table, self.name, after=after, before=before, where=where)
        return [row.key for row in rows]


@dataclass(frozen=True)
class Queue:
    """One queue."""

    queues: Queues
    name: str

    async def put(self, body: str, *, hidden_seconds: float = 0) -> None:
        await self.queues.put(self.name, body, hidden_seconds=hidden_seconds)

    async def receive(self, count: int = 32, *, hidden_seconds: float = 600) -> list[Message]:
        return await self.queues.receive(self.name, count=count, hidden_seconds=hidden_seconds)

    async def receive_one(self, *, hidden_seconds: float = 600) -> Message:
        """The one message that is expected to be visible."""
        (message,) = await self.receive(hidden_seconds=hidden_seconds)
        return message

    async def update(
        self, message: Message, *, hidden_seconds: float, receipt: str | None = None, body: str | None = None
    ) -> str:
        receipt = receipt or message.receipt
        return await self.queues.update(self.name, message.id, receipt, hidden_seconds=hidden_seconds, body=body)

    async def delete(self, message: Message, *, receipt: str | None = None) -> None:
        await self.queues.delete(self.name, message.id, receipt or message.receipt)

    async def depth(self) -> int:
        return await self.queues.depth(self.name)


async def sleep(seconds: float) -> None:
    """How time passes for an engine whose clock is the real one. A little longer: it may count in whole seconds."""
    await asyncio.sleep(seconds + 0.5)


_numbers = itertools.count()


def unique(prefix: str) -> str:
    """A name that no other test of this run uses, on whichever worker: an engine may be shared between tests."""
    return f"{prefix}-{os.getpid()}-{next(_numbers)}"
