"""Several hubs over one storage on virtual time, and sinks that work for them: every operation takes a moment."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from hub.evaluation import InlineEvaluator
from hub.model.sink import Sink
from hub.options import Options
from hub.rules.cadence import CadenceMode
from hub.rules.cadence import Fleet as Cadences
from hub.signing import ROOT_KEY_BYTES, RootKey
from hub.storage.embedded import open_embedded
from hub.storage.events import EventRows
from hub.storage.ports import Storage
from hub.wire import Poll, Result, ResultState
from hub.wiring import Hub, build
from tests.life.rig import SINK_TYPE, LifeRig, open_rig
from tests.simulation.faults import Faultless, Faults
from tests.simulation.faulty_storage import Channel, FaultyStorage
from tests.simulation.process import Process
from tests.simulation.trace import Trace
from tests.simulation.virtual_loop import VirtualClock, VirtualLoop


@dataclass
class Fleet:
    """The hubs, the first of them as a rig, and what sinks have finished."""

    rig: LifeRig
    hubs: list[Hub]
    storage: Storage
    finished: list[tuple[float, str]] = field(default_factory=list)
    """When, and of which EventType."""
    running: Counter[str] = field(default_factory=Counter)
    most_running: Counter[str] = field(default_factory=Counter)
    """Of an EventType at once, as the sinks saw it."""
    _sinks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def storage_rows(self) -> EventRows:
        """The events as they are, for the test to look at."""
        return EventRows(self.storage.tables)

    def sink(self, name: str, hub: int, slots: int, seconds: float = 0.0) -> asyncio.Task[None]:
        """A sink that polls this hub for ever; each task takes it so long."""
        task = asyncio.create_task(self._work(name, self.hubs[hub], slots, seconds))
        self._sinks.append(task)
        return task

    async def until(self, done: Callable[[], bool], seconds: float) -> None:
        """Until it is so, or for so many seconds at most."""
        end = asyncio.get_running_loop().time() + seconds
        while not done() and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(0.25)

    async def stop(self) -> None:
        """The sinks vanish with what they hold."""
        for task in self._sinks:
            task.cancel()
        await asyncio.gather(*self._sinks, return_exceptions=True)
        self._sinks.clear()

    async def _work(self, name: str, hub: Hub, slots: int, seconds: float) -> None:
        sink = Sink(name=name, sink_type=SINK_TYPE, enrolled_at=hub.clock.now())
        free = slots
        busy: set[asyncio.Task[None]] = set()
        try:
            while True:
                if free == 0:
                    await asyncio.wait(busy, return_when=asyncio.FIRST_COMPLETED)
                    free = slots - sum(not task.done() for task in busy)
                    continue
                answer = await hub.polls.poll(sink, Poll(slots=free, version="1", instance="instance-1"))
                for task in answer.tasks:
                    busy.add(asyncio.create_task(self._run(name, hub, task, seconds)))
                busy = {task for task in busy if not task.done()}
                free = slots - len(busy)
        finally:
            for running in busy:
                running.cancel()

    async def _run(self, name: str, hub: Hub, task: Any, seconds: float) -> None:
        kind = task.event_type
        self.running[kind] += 1
        self.most_running[kind] = max(self.most_running[kind], self.running[kind])
        try:
            await asyncio.sleep(seconds)
            await hub.agents.result(name, task.event_id, Result(token=task.token, state=ResultState.SUCCESS))
        finally:
            self.running[kind] -= 1
        self.finished.append((asyncio.get_running_loop().time(), kind))


def with_fleet(body: Callable[[Fleet], Awaitable[None]], hubs: int = 1, clocks: tuple[float, ...] = ()) -> None:
    """Run on virtual time, over one engine in memory. `clocks`: seconds by which each hub's is ahead."""
    loop = VirtualLoop()

    async def main() -> None:
        engine = open_embedded(None, VirtualClock(loop))
        offsets = clocks or (0.0,) * hubs
        async with open_rig(engine, VirtualClock(loop)) as rig:
            made = [_hub(engine, loop, offset, number) for number, offset in enumerate(offsets)]
            rig.hub = made[0]
            fleet = Fleet(rig, made, engine)
            await body(fleet)
            await fleet.stop()

    loop.run(main())


def _hub(engine: Storage, loop: VirtualLoop, offset: float, number: int) -> Hub:
    channel = Channel(Process(f"hub-{number}"), Faults(Faultless(), ()), Random(number), Trace(loop))
    options = Options(root_key=_KEY, fleet=Cadences(mode=CadenceMode.HOLD))
    storage = FaultyStorage(engine, channel, timedelta(seconds=offset))
    draw = Random(f"hub {number}")
    return build(options, storage, VirtualClock(loop, offset), InlineEvaluator(), lambda: draw.getrandbits(256))


_KEY = RootKey(secrets.token_bytes(ROOT_KEY_BYTES))
