"""Events that no sink exists for wait two simulated months, and all run when the first one comes."""

from __future__ import annotations

import asyncio
from collections import Counter

from hub.storage.codec import decode_hint
from hub.storage.embedded import open_embedded
from hub.storage.ports import MAX_HIDDEN_SECONDS
from hub.wire import ResultState
from tests.life.rig import LifeRig, open_rig
from tests.simulation.virtual_loop import VirtualClock, VirtualLoop

DAYS = 61
HOUR = 3600
LOOKS = sorted({2**power for power in range(11)} | {day * 24 for day in range(7, DAYS + 1, 18)} | {DAYS * 24})
SLOTS = 32


def wait_and_drain(events: int) -> Counter[str]:
    """Fire so many events, wait, and run them all; how many hints lay on the queue for each.

    Raises `AssertionError` if one did not run, or ran more than once.
    """
    loop = VirtualLoop()
    clock = VirtualClock(loop)

    async def main() -> Counter[str]:
        async with open_rig(open_embedded(None, clock), clock) as rig:
            await rig.event_type("A")
            fired = [(await rig.fire("A")).id for _ in range(events)]
            await _two_months(rig)
            hints = await _drain(rig, events)
            assert set(hints) == set(fired)
            for event_id in fired:
                event = await rig.read(event_id)
                assert (event.state, event.attempt) == ("SUCCESS", 1)
            return hints

    return loop.run(main())


async def _two_months(rig: LifeRig) -> None:
    """The timer's step at the hours when hints are due, and at some others.

    That the steps of all hours put no more is shown with a single event, in `test_life.py`.
    """
    past = 0
    for hour in LOOKS:
        await asyncio.sleep((hour - past) * HOUR)
        await rig.hub.upkeep.tick()
        past = hour


async def _drain(rig: LifeRig, events: int) -> Counter[str]:
    """Run everything; how many hints lay on the queue for each event."""
    hints: Counter[str] = Counter()
    receive = rig.hub.storage.queues.receive

    async def counted(queue: str, *, count: int, hidden_seconds: float):  # type: ignore[no-untyped-def]
        found = await receive(queue, count=count, hidden_seconds=hidden_seconds)
        hints.update(decode_hint(message.body).event_id for message in found if message.dequeue_count == 1)
        return found

    rig.hub.storage.queues.receive = counted  # type: ignore[method-assign]
    done: set[str] = set()
    while len(done) < events or await rig.hub.storage.queues.depth((await rig.read(next(iter(done)))).queue):
        for task in await rig.poll(slots=SLOTS):
            await rig.report(task, ResultState.SUCCESS)
            done.add(task.event_id)
        assert asyncio.get_running_loop().time() < (DAYS + 1) * 24 * HOUR + MAX_HIDDEN_SECONDS
    return hints
