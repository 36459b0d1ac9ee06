"""The storage as one hub process sees it: every operation takes a moment, and may go wrong as the plan says.

Below it lies the engine that all hubs share, which does what it is asked in one go. Above it, answers get lost,
effects come late, operations happen twice (as when the SDK repeats a request whose answer it did not hear: the caller
sees the second answer), and the process is killed before or after.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from random import Random
from typing import TypeVar

from hub.errors import NexomaticError, Unavailable
from hub.storage.counting import OperationCounter
from hub.storage.ports import Anchors, Blobs, Change, Found, Message, Queues, Room, Row, Storage, Tables, Values
from tests.simulation.faults import CRASHES, Fault, Faults, Hit, Layer
from tests.simulation.process import Process
from tests.simulation.trace import Stored, Trace

T = TypeVar("T")

TRAVEL_SECONDS = 0.02
"""The longest a request, or its answer, is under way when nothing is wrong."""


class Channel:
    """Carries one process's operations to the engine, with faults."""

    def __init__(self, process: Process, faults: Faults, rng: Random, trace: Trace) -> None:
        self._process = process
        self._faults = faults
        self._rng = rng
        self._trace = trace
        self._late: set[asyncio.Task[None]] = set()

    async def carry(self, what: str, about: object, effect: Callable[[], Awaitable[T]]) -> T:
        """Do the operation and return its answer, or what the plan makes of it."""
        await self._process.pass_on()
        hit = self._faults.at(Layer.STORAGE, self._process.name, what, asyncio.get_running_loop().time())
        if hit is None:
            return await self._plainly(what, about, effect)
        self._trace.add(self._process.name, f"!! {what}", hit.fault.value, f"({hit.seconds:.2f} s)", about)
        return await self._with(hit, what, about, effect)

    async def _plainly(self, what: str, about: object, effect: Callable[[], Awaitable[T]]) -> T:
        """The request is under way for a moment, or its answer is: others come between either way."""
        moment = self._rng.random() * 2 * TRAVEL_SECONDS
        if moment < TRAVEL_SECONDS:
            await asyncio.sleep(moment)
        try:
            answer = await effect()
        except NexomaticError as error:
            self._trace.add(self._process.name, what, about, "->", type(error).__name__)
            raise
        else:
            if answer != []:  # an empty queue is looked at all the time
                self._trace.add(self._process.name, what, about)
            return answer
        finally:
            if moment >= TRAVEL_SECONDS:
                await asyncio.sleep(moment - TRAVEL_SECONDS)
            await self._process.pass_on()

    async def _with(self, hit: Hit, what: str, about: object, effect: Callable[[], Awaitable[T]]) -> T:
        match hit.fault:
            case Fault.FAIL:
                await asyncio.sleep(hit.seconds)
            case Fault.LOST:
                await self._travel()
                await self._heedless(effect, what, about)
                await asyncio.sleep(hit.seconds)
            case Fault.LATE:
                self._start_late(hit.seconds, effect, what, about)
                await asyncio.sleep(hit.seconds * self._rng.random())
            case Fault.DUPLICATE:
                await self._travel()
                await self._heedless(effect, what, about)
                return await self._plainly(what, about, effect)
            case Fault.SLOW:
                await asyncio.sleep(hit.seconds)
                return await self._plainly(what, about, effect)
            case Fault.SLOW_AFTER:
                try:
                    return await self._plainly(what, about, effect)
                finally:
                    await asyncio.sleep(hit.seconds)
                    await self._process.pass_on()
            case _ if hit.fault in CRASHES:
                await self._crash(hit, what, about, effect)
        await self._process.pass_on()
        raise Unavailable(f"{what}: no answer in time")

    async def _crash(self, hit: Hit, what: str, about: object, effect: Callable[[], Awaitable[T]]) -> None:
        if hit.fault in (Fault.CRASH_AFTER, Fault.GONE_AFTER):
            await self._travel()
            await self._heedless(effect, what, about)
        self._process.kill()

    def _start_late(self, seconds: float, effect: Callable[[], Awaitable[T]], what: str, about: object) -> None:
        async def later() -> None:
            await asyncio.sleep(seconds)
            await self._heedless(effect, what, about)

        task = asyncio.create_task(later())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _heedless(self, effect: Callable[[], Awaitable[T]], what: str, about: object) -> None:
        """The operation takes effect and nobody hears how it went."""
        try:
            await effect()
        except NexomaticError as error:
            self._trace.add("storage", what, about, "->", type(error).__name__, "(unheard)")
        else:
            self._trace.add("storage", what, about, "(unheard)")

    async def _travel(self) -> None:
        await asyncio.sleep(self._rng.random() * TRAVEL_SECONDS)


class FaultyStorage:
    """One engine, seen by one process through its channel. A `hub.storage.ports.Storage`."""

    def __init__(self, engine: Storage, channel: Channel, offset: timedelta) -> None:
        self._engine = engine
        self._offset = offset
        self.tables: Tables = _FaultyTables(engine.tables, channel)
        self.queues: Queues = _FaultyQueues(engine.queues, channel)
        self.blobs: Blobs = _FaultyBlobs(engine.blobs, channel)
        self.anchors: Anchors = _FaultyAnchors(engine.anchors, channel)

    @property
    def operations(self) -> OperationCounter:
        return self._engine.operations

    def clock_offset(self) -> timedelta:
        return -self._offset

    def room(self) -> Room:
        return self._engine.room()

    async def prepare(self) -> None:
        await self._engine.prepare()

    async def close(self) -> None:
        """The engine outlives every process that uses it."""


class _FaultyTables:
    def __init__(self, engine: Tables, channel: Channel) -> None:
        self._engine = engine
        self._carry = channel.carry

    async def insert(self, table: str, partition: str, key: str, values: Values) -> str:
        effect = lambda: self._engine.insert(table, partition, key, values)  # noqa: E731
        return await self._carry(f"table.insert {table}", Stored(table, key, values), effect)

    async def get(self, table: str, partition: str, key: str) -> Row:
        return await self._carry(
            f"table.get {table}", Stored(table, key), lambda: self._engine.get(table, partition, key)
        )

    async def put(self, table: str, partition: str, key: str, values: Values) -> str:
        return await self._carry(
            f"table.put {table}", Stored(table, key), lambda: self._engine.put(table, partition, key, values)
        )

    async def replace(self, table: str, partition: str, key: str, values: Values, etag: str) -> str:
        effect = lambda: self._engine.replace(table, partition, key, values, etag)  # noqa: E731
        return await self._carry(f"table.replace {table}", Stored(table, key, values), effect)

    async def merge(self, table: str, partition: str, key: str, values: Values, etag: str) -> str:
        effect = lambda: self._engine.merge(table, partition, key, values, etag)  # noqa: E731
        return await self._carry(f"table.merge {table}", Stored(table, key, values), effect)

    async def delete(self, table: str, partition: str, key: str, etag: str) -> None:
        effect = lambda: self._engine.delete(table, partition, key, etag)  # noqa: E731
        await self._carry(f"table.delete {table}", Stored(table, key), effect)

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
        effect = lambda: self._engine.query(  # noqa: E731
            table, partition, after=after, before=before, limit=limit, select=select, where=where
        )
        return await self._carry(f"table.query {table}", partition, effect)

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
        effect = lambda: self._engine.search(  # noqa: E731
            table, partition, where=where, after=after, limit=limit, most=most, select=select
        )
        return await self._carry(f"table.query {table}", partition, effect)

    async def transact(self, table: str, partition: str, changes: Sequence[Change]) -> None:
        effect = lambda: self._engine.transact(table, partition, changes)  # noqa: E731
        await self._carry(f"table.transact {table}", partition, effect)


class _FaultyQueues:
    def __init__(self, engine: Queues, channel: Channel) -> None:
        self._engine = engine
        self._carry = channel.carry

    async def put(self, queue: str, body: str, *, hidden_seconds: float = 0) -> None:
        effect = lambda: self._engine.put(queue, body, hidden_seconds=hidden_seconds)  # noqa: E731
        await self._carry("queue.put", body, effect)

    async def receive(self, queue: str, *, count: int, hidden_seconds: float) -> list[Message]:
        effect = lambda: self._engine.receive(queue, count=count, hidden_seconds=hidden_seconds)  # noqa: E731
        return await self._carry("queue.receive", (count, hidden_seconds), effect)

    async def update(
        self, queue: str, message_id: str, receipt: str, *, hidden_seconds: float, body: str | None = None
    ) -> str:
        effect = lambda: self._engine.update(  # noqa: E731
            queue, message_id, receipt, hidden_seconds=hidden_seconds, body=body
        )
        return await self._carry("queue.update", (message_id, round(hidden_seconds, 3), body), effect)

    async def delete(self, queue: str, message_id: str, receipt: str) -> None:
        await self._carry("queue.delete", message_id, lambda: self._engine.delete(queue, message_id, receipt))

    async def depth(self, queue: str) -> int:
        return await self._carry("queue.depth", queue, lambda: self._engine.depth(queue))


class _FaultyBlobs:
    def __init__(self, engine: Blobs, channel: Channel) -> None:
        self._engine = engine
        self._carry = channel.carry

    async def put(self, container: str, name: str, data: bytes) -> None:
        await self._carry(f"blob.put {container}", name, lambda: self._engine.put(container, name, data))

    async def get(self, container: str, name: str) -> bytes:
        return await self._carry(f"blob.get {container}", name, lambda: self._engine.get(container, name))

    async def get_part(self, container: str, name: str, first: int, count: int) -> bytes:
        effect = lambda: self._engine.get_part(container, name, first, count)  # noqa: E731
        return await self._carry(f"blob.get {container}", (name, first, count), effect)

    async def delete(self, container: str, name: str) -> None:
        await self._carry(f"blob.delete {container}", name, lambda: self._engine.delete(container, name))


class _FaultyAnchors:
    def __init__(self, engine: Anchors, channel: Channel) -> None:
        self._engine = engine
        self._carry = channel.carry

    async def add(self, name: str, data: bytes) -> None:
        await self._carry("anchor.add", name, lambda: self._engine.add(name, data))

    async def get(self, name: str) -> bytes:
        return await self._carry("anchor.get", name, lambda: self._engine.get(name))

    async def names(self) -> list[str]:
        return await self._carry("anchor.names", "", self._engine.names)
