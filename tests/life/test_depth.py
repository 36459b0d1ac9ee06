"""`max_queue_depth`: sources are told to come later while as many wait as may, and asking costs little."""

from __future__ import annotations

import asyncio

import pytest

from hub.errors import TooMany
from hub.limits.depth import FRESH_SECONDS, RETRY_AFTER_SECONDS
from hub.limits.overflow import FLOOD_MESSAGES
from hub.model.configuration import EventType, SinkType
from tests.contract.rig import ManualClock, unique
from tests.life.rig import SINK, SINK_TYPE, LifeRig

MOST = 5


async def limited(rig: LifeRig, most: int = MOST) -> EventType:
    await rig.configure(SinkType(name=SINK_TYPE, max_queue_depth=most))
    return await rig.event_type("A")


async def come(rig: LifeRig, *event_types: EventType) -> bool:
    """Whether one more of each may come; if so it does."""
    snapshot = await rig.hub.configuration.current()
    try:
        await rig.hub.depths.check(event_types, snapshot)
    except TooMany:
        return False
    for each in event_types:
        await rig.fire(each.name)
    return True


async def test_as_many_come_as_may_wait_and_again_when_some_have_been_taken(rig: LifeRig, clock: ManualClock) -> None:
    kind = await limited(rig)
    assert [await come(rig, kind) for _ in range(MOST + 2)] == [True] * MOST + [False] * 2
    for task in await rig.poll(slots=2):
        await rig.report(task)
    assert not await come(rig, kind), "the depth is a second old"
    clock.advance(FRESH_SECONDS)
    assert [await come(rig, kind) for _ in range(3)] == [True, True, False]


async def test_the_refusal_says_how_many_there_are_and_when_to_come_again(rig: LifeRig) -> None:
    kind = await limited(rig, most=1)
    assert await come(rig, kind)
    with pytest.raises(TooMany, match=f"about 1 of 1 events .* {SINK_TYPE}") as caught:
        await rig.hub.depths.check([kind], await rig.hub.configuration.current())
    assert caught.value.retry_after_seconds == RETRY_AFTER_SECONDS


async def test_what_runs_counts_too_until_it_ends(rig: LifeRig, clock: ManualClock) -> None:
    kind = await limited(rig)
    for _ in range(MOST):
        await come(rig, kind)
    running = await rig.poll(slots=MOST)
    clock.advance(FRESH_SECONDS)
    assert not await come(rig, kind)
    await rig.report(running[0])
    clock.advance(FRESH_SECONDS)
    assert await come(rig, kind)


async def test_it_is_read_once_a_second_however_many_come(rig: LifeRig, clock: ManualClock) -> None:
    kind = await limited(rig, most=1000)
    before = rig.hub.storage.operations.by_kind()["queue.depth"]
    snapshot = await rig.hub.configuration.current()
    await asyncio.gather(*(rig.hub.depths.check([kind], snapshot) for _ in range(100)))
    assert rig.hub.storage.operations.by_kind()["queue.depth"] - before == 2, "of the queue and of its overflow"
    clock.advance(FRESH_SECONDS)
    await come(rig, kind)
    assert rig.hub.storage.operations.by_kind()["queue.depth"] - before == 4


async def test_without_a_limit_nothing_is_asked(rig: LifeRig) -> None:
    kind = await rig.event_type("A")
    assert await come(rig, kind)
    assert rig.hub.storage.operations.by_kind()["queue.depth"] == 0


async def test_the_overflow_counts_too(rig: LifeRig, clock: ManualClock) -> None:
    kind = await limited(rig, most=FLOOD_MESSAGES + 3)
    for _ in range(FLOOD_MESSAGES + 3):
        await rig.fire("A")
    assert not await come(rig, kind)


async def test_several_event_types_come_all_or_none(rig: LifeRig, clock: ManualClock) -> None:
    await rig.configure(SinkType(name="OTHER", max_queue_depth=1))
    kind = await limited(rig)
    other = await rig.event_type("B", sink_type="OTHER")
    assert await come(rig, kind, other)
    for _ in range(3):
        assert not await come(rig, kind, other), "there is room for one of the two alone"
    assert [await come(rig, kind) for _ in range(MOST)] == [True] * (MOST - 1) + [False]


async def test_an_event_type_pinned_to_a_sink_is_measured_by_that_sinks_queue(rig: LifeRig, clock: ManualClock) -> None:
    kind = await limited(rig, most=1)
    assert await come(rig, kind)
    pinned = await rig.event_type("P", sink=SINK)
    assert await come(rig, pinned)
    assert not await come(rig, pinned)


async def test_on_each_engine(either: LifeRig) -> None:
    pool = unique("POOL")  # on the emulator, other tests may have left messages in the usual one
    await either.configure(SinkType(name=pool, max_queue_depth=3))
    kind = await either.event_type("A", sink_type=pool)
    assert [await come(either, kind) for _ in range(4)] == [True, True, True, False]
