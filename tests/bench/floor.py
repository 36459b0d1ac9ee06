"""The use cases of one event, beside the same storage calls with nothing around them, in one run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from hub.clock import SystemClock
from hub.storage.embedded import open_embedded
from hub.storage.keys import EVENTS
from hub.storage.ports import Storage, Value
from tests.life.rig import LifeRig, open_rig

EVENTS_A_ROUND = 200
ROUNDS = 3


async def measure(folder: Path) -> dict[str, float]:
    """Milliseconds for one event, one after the other, on the embedded engine: the floor, ours, and their ratio."""
    clock = SystemClock()
    async with open_rig(open_embedded(folder / "bench.db", clock), clock) as rig:
        await rig.event_type("A")
        await _through(rig)
        floors, ours = [], []
        for _ in range(ROUNDS):  # in turn, so that both meet the same disk
            floors.append(await _timed(lambda: _raw(rig.hub.storage)))
            ours.append(await _timed(lambda: _through(rig)))
        before = rig.hub.storage.operations.total
        await _through(rig)
        spent = rig.hub.storage.operations.total - before
    floor, own = sorted(floors)[ROUNDS // 2], sorted(ours)[ROUNDS // 2]
    return {"floor_ms": floor, "event_ms": own, "ratio": own / floor, "storage_operations": spent}


async def _timed(step: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    for _ in range(EVENTS_A_ROUND):
        await step()
    return (time.perf_counter() - began) * 1000 / EVENTS_A_ROUND


async def _through(rig: LifeRig) -> None:
    await rig.fire("A", b'{"n":1}')
    await rig.report(await rig.one(), data={"n": 1}, logs=(rig.chunk("done"),))


async def _raw(storage: Storage) -> None:
    """The seven operations of a short event: put beside insert, receive, get, replace, merge, delete."""
    queue = "nexomatic-bench"
    row: dict[str, Value] = {"state": "QUEUED", "payload": b'{"n":1}', "created_at": "2026-11-23T12:00:00.000Z"}
    key = f"{time.perf_counter_ns()}"
    etag, _ = await asyncio.gather(storage.tables.insert(EVENTS, "bench", key, row), storage.queues.put(queue, key))
    (message,) = await storage.queues.receive(queue, count=1, hidden_seconds=15)
    etag = (await storage.tables.get(EVENTS, "bench", key)).etag
    etag = await storage.tables.replace(EVENTS, "bench", key, {**row, "state": "RUNNING"}, etag)
    await storage.tables.merge(EVENTS, "bench", key, {"state": "SUCCESS"}, etag)
    await storage.queues.delete(queue, message.id, message.receipt)
