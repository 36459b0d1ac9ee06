"""`rate_per_minute` across hubs: never more in any minute, nearly as many when more want to, cheap for who waits."""

from __future__ import annotations

import asyncio

import pytest

from hub.model.event import Event
from hub.storage.keys import SLOTS
from tests.life.fleet import Fleet, with_fleet

MINUTE = 60.0


async def starts(fleet: Fleet, events: list[Event]) -> list[float]:
    """When each was claimed, in order."""
    rows = [(await fleet.hubs[0].context.events.get(each.id)).event for each in events]
    return sorted(row.attempts[0].started_at.timestamp() for row in rows if row.attempts)


def most_in_a_minute(times: list[float], minute: float = MINUTE) -> int:
    return max(sum(begin <= at < begin + minute for at in times) for begin in times)


@pytest.mark.parametrize("most", [1, 6, 40])
def test_four_hubs_start_no_more_in_any_minute_and_nearly_as_many(most: int) -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.event_type("A", rate_per_minute=most)
        events = [await fleet.rig.fire("A") for _ in range(2 * most + 2)]
        for number in range(4):
            fleet.sink(f"sink-{number}", number, slots=8)
        await asyncio.sleep(2 * MINUTE)
        times = await starts(fleet, events)
        assert most_in_a_minute(times) <= most
        assert len(times) >= 0.85 * 2 * most
        looks = fleet.storage.operations.by_kind()["queue.update"]
        assert looks <= 2 * len(events) * 2 * MINUTE / 15, "who waits is told of different times"

    with_fleet(body, hubs=4)


def test_clocks_apart_by_what_hubs_may_be_start_none_too_many() -> None:
    """A minute by one hub's clock is shorter by another's: by so much the limit is not exact."""

    async def body(fleet: Fleet) -> None:
        await fleet.rig.event_type("A", rate_per_minute=30)
        for _ in range(62):
            await fleet.rig.fire("A")
        for number in range(4):
            fleet.sink(f"sink-{number}", number, slots=8)
        await asyncio.sleep(2 * MINUTE)
        finished = [at for at, _ in fleet.finished]
        assert len(finished) >= 0.85 * 60
        assert most_in_a_minute(finished, MINUTE - 4.0) <= 30

    with_fleet(body, clocks=(1.9, -1.9, 0.5, 0.0))


def test_who_waits_for_its_rate_is_hidden_for_fifteen_seconds_at_most_and_costs_two_operations_a_visit() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.event_type("A", rate_per_minute=1, max_running=100)
        for _ in range(41):
            await fleet.rig.fire("A")
        fleet.sink("sink", 0, slots=4)
        await asyncio.sleep(2)
        before = fleet.storage.operations.by_kind()
        await asyncio.sleep(45)  # no start is due before a minute has passed
        spent = fleet.storage.operations.by_kind() - before
        assert len(fleet.finished) == 1
        assert 2 * 40 <= spent["queue.update"] <= 3 * 40, "each is looked at every 15 s"
        assert spent["table.get"] <= spent["queue.update"] + 45 / 5 + 2, "its row, and now and then the configuration"
        assert spent["table.replace"] == spent["table.query"] == 0, "neither a start nor a slot is looked for"

    with_fleet(body)


def test_a_rate_that_is_lifted_is_felt_within_fifteen_seconds() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.event_type("A", rate_per_minute=1)
        for _ in range(20):
            await fleet.rig.fire("A")
        fleet.sink("sink", 0, slots=4)
        await asyncio.sleep(30)
        await fleet.rig.event_type("A")
        await asyncio.sleep(15 + 5)
        assert len(fleet.finished) == 20

    with_fleet(body)


def test_another_event_type_does_not_wait_for_the_rate_of_this_one() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.event_type("A", rate_per_minute=1)
        await fleet.rig.event_type("B")
        for _ in range(50):
            await fleet.rig.fire("A")
        fleet.sink("sink", 0, slots=4)
        await asyncio.sleep(5)
        for _ in range(10):
            await fleet.rig.fire("B")
        await asyncio.sleep(5)
        assert [kind for _, kind in fleet.finished].count("B") == 10

    with_fleet(body)


def test_who_finds_a_slot_and_no_start_leaves_the_slot() -> None:
    """The second hub does not know that the first one has taken the only start of this minute."""

    async def body(fleet: Fleet) -> None:
        await fleet.rig.event_type("A", rate_per_minute=1, max_running=3)
        await fleet.rig.fire("A")
        fleet.sink("first", 0, slots=1)
        await fleet.until(lambda: len(fleet.finished) == 1, 10)
        await fleet.stop()
        await fleet.rig.fire("A")
        fleet.sink("second", 1, slots=1)
        await asyncio.sleep(5)
        assert len(fleet.finished) == 1
        assert await fleet.storage.tables.query(SLOTS, "a") == []

    with_fleet(body, hubs=2)


def test_a_full_slot_and_a_rate_together_hold_both_and_lose_no_start() -> None:
    """Who finds no slot takes no start from the others: with one a minute, it would be the only one."""

    async def body(fleet: Fleet) -> None:
        await fleet.rig.event_type("A", rate_per_minute=6, max_running=1, lease_seconds=30)
        events = [await fleet.rig.fire("A") for _ in range(24)]
        for number in range(2):
            fleet.sink(f"sink-{number}", number, slots=8, seconds=1.0)
        await asyncio.sleep(3 * MINUTE)
        times = await starts(fleet, events)
        assert fleet.most_running["A"] == 1
        assert most_in_a_minute(times) <= 6
        assert len(times) >= 8, "slots are looked for every 15 s, so it is about one in ten to fifteen seconds"

    with_fleet(body, hubs=2)
