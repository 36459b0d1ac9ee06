"""An event through the hub's use cases alone, in one process: no HTTP, no agent, no child."""

from __future__ import annotations

import statistics
import time

from hub.clock import SystemClock
from hub.storage.ports import Storage
from tests.bench.figures import Figures
from tests.life.rig import LifeRig, open_rig


async def measure(storage: Storage, events: int) -> Figures:
    """Milliseconds an event takes, and how many storage operations it costs. Closes the storage."""
    async with open_rig(storage, SystemClock()) as rig:
        await rig.event_type("A")
        await _through(rig)
        spent = []
        before = rig.hub.storage.operations.total
        for _ in range(events):
            began = time.perf_counter()
            await _through(rig)
            spent.append((time.perf_counter() - began) * 1000)
        operations = (rig.hub.storage.operations.total - before) / events
    return {"event_ms": statistics.median(spent), "storage_operations": operations}


async def _through(rig: LifeRig) -> None:
    await rig.fire("A", b'{"n":1}')
    await rig.report(await rig.one(), data={"n": 1}, logs=(rig.chunk("done"),))
