"""The hubs of a run: each a process that may be killed at any step, and is started again over the same storage."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from random import Random

from hub.clock import Clock
from hub.errors import Unavailable
from hub.storage.ports import Storage
from hub.wiring import Hub
from tests.simulation.faults import Faults
from tests.simulation.faulty_storage import Channel, FaultyStorage
from tests.simulation.process import Process
from tests.simulation.trace import Trace
from tests.simulation.virtual_loop import VirtualClock

Build = Callable[[Storage, Clock, Random], Hub]


class SimHub:
    """One hub, life after life."""

    def __init__(self, name: str, offset: float, engine: Storage, build: Build, faults: Faults, trace: Trace) -> None:
        self.name = name
        self.offset = offset
        self._engine = engine
        self._build = build
        self._faults = faults
        self._trace = trace
        self._lives: list[Process] = []
        self.process: Process | None = None
        self._handler: Hub | None = None

    @property
    def handler(self) -> Hub:
        assert self._handler is not None, "a hub that is down is asked nothing"
        return self._handler

    async def live_for_ever(self, rng: Random, restart_seconds: tuple[float, float]) -> None:
        """Start, and start again after each death."""
        while True:
            process = await self._start(rng)
            await process.died.wait()
            self.process = None
            self._trace.add(process.name, "killed")
            await asyncio.sleep(rng.uniform(*restart_seconds))

    async def _start(self, rng: Random) -> Process:
        process = Process(f"{self.name}.{len(self._lives) + 1}")
        self._lives.append(process)
        channel = Channel(process, self._faults, Random(rng.random()), self._trace)
        storage = FaultyStorage(self._engine, channel, timedelta(seconds=self.offset))
        clock = VirtualClock(asyncio.get_running_loop(), self.offset)
        self._handler = self._build(storage, clock, Random(rng.random()))
        self.process = process
        self._trace.add(process.name, "started")
        return process


class Timer:
    """The one timer: fires every so often, in whichever hub is there."""

    def __init__(self, hubs: list[SimHub], seconds: float, rng: Random, trace: Trace) -> None:
        self._hubs = hubs
        self._seconds = seconds
        self._rng = rng
        self._trace = trace
        self.surprises: list[str] = []

    async def run(self) -> None:
        """Fire for ever."""
        while True:
            await asyncio.sleep(self._seconds)
            await self.fire()

    async def run_at(self, times: Sequence[float]) -> None:
        """Fire at these times, in their order."""
        for at in times:
            await asyncio.sleep(max(0.0, at - asyncio.get_running_loop().time()))
            await self.fire()

    async def fire(self) -> None:
        """One firing. It is lost when the hub is down, and cut short when the hub dies meanwhile."""
        hub = self._rng.choice(self._hubs)
        process = hub.process
        if process is None or not process.alive:
            return
        await process.until_death(process.start(self._tick(hub)))

    async def _tick(self, hub: SimHub) -> None:
        try:
            await hub.handler.upkeep.tick()
        except Unavailable as error:
            self._trace.add(hub.name, "tick", "->", repr(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the oracle must hear of it
            self._trace.add(hub.name, "?? tick", repr(error))
            self.surprises.append(f"{hub.name} let out of tick: {error!r}")
