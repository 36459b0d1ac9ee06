"""The seven storage operations of a short event, with nothing around them: what an engine allows at the most.

With a bare child for each, what this machine allows at the most: the processors are shared by all of it.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Sequence

from hub.storage.keys import EVENTS
from hub.storage.ports import Storage, Value

QUEUE = "nexomatic-bench"
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


async def events_per_second(storage: Storage, events: int, at_once: int, child: Sequence[str] = ()) -> float:
    """So many at once; `child`: a command that is run once for each event."""
    left = iter(range(events))

    async def caller() -> None:
        for _ in left:
            await _event(storage)
            if child:
                await (await asyncio.create_subprocess_exec(*child)).wait()

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(at_once)))
    return events / (time.perf_counter() - began)


async def _event(storage: Storage) -> None:
    """Put beside insert, receive, get, replace, merge, delete. Whoever receives may get another's message."""
    key = f"{next(_number)}"
    await asyncio.gather(storage.tables.insert(EVENTS, "bench", key, _ROW), storage.queues.put(QUEUE, key))
    while not (received := await storage.queues.receive(QUEUE, count=1, hidden_seconds=15)):
        pass
    (message,) = received
    etag = (await storage.tables.get(EVENTS, "bench", message.body)).etag
    etag = await storage.tables.replace(EVENTS, "bench", message.body, {**_ROW, "state": "RUNNING"}, etag)
    await storage.tables.merge(EVENTS, "bench", message.body, {"state": "SUCCESS"}, etag)
    await storage.queues.delete(QUEUE, message.id, message.receipt)
