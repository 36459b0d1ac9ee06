"""Changes are announced off the hot path, and nothing is lost: topics that are away, processes that die."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from hub.announce import announcer
from hub.errors import Unavailable
from hub.evaluation import InlineEvaluator
from hub.rules import partitions
from hub.rules.announcing import Announcement
from hub.storage import codec
from hub.storage.embedded import open_embedded
from hub.storage.keys import EVENTS
from hub.wiring import build
from tests.contract.rig import ManualClock
from tests.life.rig import LifeRig, open_rig


class Listener:
    """A topic that keeps what it is told, or is away."""

    def __init__(self) -> None:
        self.heard: list[Announcement] = []
        self.calls = 0
        self.away = False
        self.news = asyncio.Event()

    async def publish(self, announcements: Sequence[Announcement]) -> None:
        self.calls += 1
        if self.away:
            raise Unavailable
        assert 0 < len(announcements) <= 100
        self.heard += announcements
        self.news.set()

    async def close(self) -> None:
        """There is nothing to let go of."""

    def of(self, event_id: str) -> list[str]:
        return [each.state.value for each in self.heard if each.event_id == event_id]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GATHER_SECONDS", "FIRST_PAUSE_SECONDS"):
        monkeypatch.setattr(announcer, name, 0)


async def run_one(rig: LifeRig, name: str = "A") -> str:
    event = await rig.fire(name)
    await rig.report(await rig.one(), data={"secret": "result"})
    return event.id


async def told(rig: LifeRig) -> None:
    """Until nothing waits to be told."""
    async with asyncio.timeout(10):
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "announce changes"))


async def is_open(rig: LifeRig, event_id: str) -> bool:
    partition = partitions.partition_of(event_id).name
    row = await rig.hub.storage.tables.get(EVENTS, partition, partitions.row_key_of(event_id))
    return bool(row.values[codec.OPEN])


async def test_every_change_is_told_once_and_then_the_event_is_settled(clock: ManualClock) -> None:
    listener = Listener()
    async with open_rig(open_embedded(None, clock), clock, listener) as rig:
        await rig.event_type("A")
        event_id = await run_one(rig)
        await told(rig)
        assert listener.of(event_id) == ["QUEUED", "RUNNING", "SUCCESS"]
        assert not await is_open(rig, event_id)
        assert (await rig.read(event_id)).settled
        await rig.hub.upkeep.tick()
        assert len(listener.heard) == 3


async def test_it_costs_two_operations_and_only_where_somebody_listens(clock: ManualClock) -> None:
    for listener, cost in ((None, 7), (Listener(), 9)):
        async with open_rig(open_embedded(None, clock), clock, listener) as rig:
            await rig.event_type("A")
            await run_one(rig)
            await told(rig)
            before = rig.hub.storage.operations.total
            await run_one(rig)
            await told(rig)
            assert rig.hub.storage.operations.total - before == cost


async def test_a_topic_that_is_away_delays_nothing_and_hears_all_of_it_later(clock: ManualClock) -> None:
    listener = Listener()
    listener.away = True
    async with open_rig(open_embedded(None, clock), clock, listener) as rig:
        await rig.event_type("A")
        ids = [await run_one(rig) for _ in range(5)]
        assert {(await rig.read(event_id)).state.value for event_id in ids} == {"SUCCESS"}
        listener.away = False
        await told(rig)
        for event_id in ids:
            assert listener.of(event_id) == ["QUEUED", "RUNNING", "SUCCESS"]


async def test_what_a_dead_process_did_not_tell_is_told_by_the_next(clock: ManualClock) -> None:
    silent, listener = Listener(), Listener()
    silent.away = True
    storage = open_embedded(None, clock)
    async with open_rig(storage, clock, silent) as rig:
        await rig.event_type("A", on={"on_success": "B"})
        await rig.event_type("B")
        event_id = await run_one(rig)
        die()
        again = another_hub(rig, listener)
        await again.hub.upkeep.tick()
        assert listener.heard == [], "its own process may still be at it"
        clock.advance(61)
        await again.hub.upkeep.tick()
        assert listener.of(event_id) == ["QUEUED", "RUNNING", "SUCCESS"]
        assert not await is_open(again, event_id)
        await again.hub.upkeep.tick()
        assert listener.of(event_id) == ["QUEUED", "RUNNING", "SUCCESS"]


def another_hub(rig: LifeRig, listener: Listener | None) -> LifeRig:
    """The next process, over the same storage."""
    numbers = iter(range(1 << 70, 1 << 80))
    hub = build(rig.hub.options, rig.hub.storage, rig.clock, InlineEvaluator(), numbers.__next__, listener)
    return LifeRig(hub)


def die() -> None:
    """The process in which the changes happened is gone, with what it had in memory."""
    for task in asyncio.all_tasks():
        if task.get_name() == "announce changes":
            task.cancel()


async def test_a_follow_on_is_not_forgotten_while_its_parent_is_announced(clock: ManualClock) -> None:
    listener = Listener()
    async with open_rig(open_embedded(None, clock), clock, listener) as rig:
        await rig.event_type("B")
        await rig.event_type("A", on={"on_success": "B"})
        event_id = await run_one(rig)
        await told(rig)
        child = (await rig.read(event_id)).follow_on
        assert child is not None
        await rig.report(await rig.one())
        await told(rig)
        clock.advance(61)
        await rig.hub.upkeep.tick()
        assert listener.of(event_id) == listener.of(child) == ["QUEUED", "RUNNING", "SUCCESS"]
        assert not await is_open(rig, event_id)
        assert not await is_open(rig, child)


async def test_a_topic_that_was_taken_away_keeps_no_event_open(clock: ManualClock) -> None:
    silent = Listener()
    silent.away = True
    storage = open_embedded(None, clock)
    async with open_rig(storage, clock, silent) as rig:
        await rig.event_type("A")
        event_id = await run_one(rig)
        die()
        again = another_hub(rig, None)
        await again.hub.upkeep.tick()
        assert not await is_open(again, event_id)


async def test_ends_without_a_sink_are_told_too(clock: ManualClock) -> None:
    listener = Listener()
    async with open_rig(open_embedded(None, clock), clock, listener) as rig:
        await rig.event_type("A", queue_timeout_seconds=30)
        waiting, cancelled = await rig.fire("A"), await rig.fire("A")
        await rig.hub.canceller.cancel(cancelled.id)
        clock.advance(31)
        await rig.hub.upkeep.tick()
        await told(rig)
        assert listener.of(waiting.id) == listener.of(cancelled.id) == ["QUEUED", "ERROR"]
        assert {each.result_code for each in listener.heard if each.state.final} == {"QUEUE_TIMEOUT", "CANCELLED"}
