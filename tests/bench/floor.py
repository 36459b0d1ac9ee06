"""The seven storage operations of a short event, with nothing around them: what an engine allows at the most.

With a bare child for each, what this machine allows at the most: the processors are shared by all of it.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress

from hub.errors import Missing
from hub.storage.keys import EVENTS
from hub.storage.ports import Message, Storage, Value

QUEUE = "nexomatic-bench"
HIDDEN_SECONDS = 60
LOOK_SECONDS = 0.002
"""How long who finds the queue empty, or no row yet, waits: looking all the time would be most of what is measured."""
_ROW: dict[str, Value] = {
    "state": "QUEUED",
    "payload": b'{"n":1}',
    "created_at": "2026-11-23T12:00:00.000Z",
    "event_type": "STAMP",
    "sink_type": "PYTHON:BASE",
}
_number = itertools.count(time.time_ns())


async def milliseconds(storage: Storage, events: int) -> float:
    """One event after the other: the median."""
    spent = []
    for _ in range(events):
        began = time.perf_counter()
        await _event(storage)
        spent.append((time.perf_counter() - began) * 1000)
    return statistics.median(spent)


async def burst_per_second(storage: Storage, events: int, at_once: int, child: Sequence[str] = ()) -> float:
    """Events a second, from the first put to the last delete, in the order of a burst: so many callers put, as fast as
    they are answered, and so many take meanwhile what has come. `child`: a command that is run once for each event.
    """
    to_put, to_take = iter(range(events)), iter(range(events))

    async def caller() -> None:
        for _ in to_put:
            await _put(storage)

    async def slot() -> None:
        for _ in to_take:
            message, etag = await _take(storage)
            if child:
                await (await asyncio.create_subprocess_exec(*child)).wait()
            await _end(storage, message, etag)

    began = time.perf_counter()
    await asyncio.gather(*(each() for each in (caller, slot) for _ in range(at_once)))
    return events / (time.perf_counter() - began)


async def _event(storage: Storage) -> None:
    await _put(storage)
    await _end(storage, *await _take(storage))


async def _put(storage: Storage) -> None:
    key = f"{next(_number)}"
    await asyncio.gather(storage.tables.insert(EVENTS, "bench", key, _ROW), storage.queues.put(QUEUE, key))


async def _take(storage: Storage) -> tuple[Message, str]:
    """Receive, get, replace: a message, and the ETag of its row. Whoever receives may get another's message."""
    while True:
        if received := await storage.queues.receive(QUEUE, count=1, hidden_seconds=HIDDEN_SECONDS):
            break
        await asyncio.sleep(LOOK_SECONDS)
    (message,) = received
    etag = await _etag(storage, message.body)
    return message, await storage.tables.replace(EVENTS, "bench", message.body, {**_ROW, "state": "RUNNING"}, etag)


async def _etag(storage: Storage, key: str) -> str:
    """Of the row, once it is there: its message may come before it, since the two are put side by side."""
    while True:
        with suppress(Missing):
            return (await storage.tables.get(EVENTS, "bench", key)).etag
        await asyncio.sleep(LOOK_SECONDS)


async def _end(storage: Storage, message: Message, etag: str) -> None:
    """Merge, delete."""
    await storage.tables.merge(EVENTS, "bench", message.body, {"state": "SUCCESS"}, etag)
    await storage.queues.delete(QUEUE, message.id, message.receipt)
