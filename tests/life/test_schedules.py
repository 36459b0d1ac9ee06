"""Schedules over the engine in memory, on virtual time: on their second, once, and never under an old definition."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from hub.configure import copy
from hub.configure.matching import Match
from hub.dispatch import lanes, presence
from hub.model.configuration import Kind, Pause, SourceKind
from hub.model.event import Code, Event, State
from hub.storage import keys
from hub.storage.counting import counting
from hub.storage.schedule_rows import ScheduleRows
from hub.wire import ResultState
from hub.wiring import Hub
from tests.life.fleet import Fleet, with_fleet
from tests.life.rig import SINK_TYPE
from tests.simulation.virtual_loop import EPOCH

MINUTE = timedelta(minutes=1)
ANY = Match(revisions=frozenset("*"))


def at(minute: float, second: float = 0) -> datetime:
    """A moment of the run, which begins at 06:00 UTC."""
    return EPOCH + timedelta(minutes=minute, seconds=second)


async def reach(moment: datetime) -> None:
    """Let the time pass until then."""
    await asyncio.sleep(max(0.0, (moment - EPOCH).total_seconds() - asyncio.get_running_loop().time()))


async def made(fleet: Fleet) -> list[Event]:
    """All events, the oldest first."""
    found: list[Event] = []
    async for indexed in fleet.hubs[0].context.partitions.walk():
        found += [each.event for each in await fleet.storage_rows.list(indexed.partition)]
    return sorted(found, key=lambda event: event.id)


def timer(hub: Hub) -> asyncio.Task[None]:
    """The timer of a hub: each minute, on the minute."""

    async def run() -> None:
        while True:
            await hub.upkeep.tick()
            await asyncio.sleep(60 - asyncio.get_running_loop().time() % 60)

    return asyncio.create_task(run())


def scheduled(body: Callable[[Fleet], Awaitable[None]], hubs: int = 1, *, timers: bool = True) -> None:
    """Run with the EventType A, and with a timer at each hub."""

    async def main(fleet: Fleet) -> None:
        await fleet.rig.event_type("A", lease_seconds=3600)  # sinks of a fleet do not renew
        running = [timer(hub) for hub in fleet.hubs] if timers else []
        try:
            await body(fleet)
            assert not [each for each in running if each.done()], "a timer broke"
        finally:
            for each in running:
                each.cancel()

    with_fleet(main, hubs)


def ends(events: Sequence[Event]) -> list[str]:
    return [str(each.result_code or each.state) for each in events]


# --- on its second, once ----------------------------------------------------------------------------------------------


def test_it_fires_on_its_second_and_never_before() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.schedule(payload={"n": 1})
        await fleet.rig.schedule("once", at=at(4, 30.25).isoformat())
        fleet.sink("sink-1", 0, slots=4)
        await reach(at(9, 30))
        events = [each for each in await made(fleet) if each.attempts]
        assert [each.attempts[0].started_at.replace(microsecond=0) for each in events if each.source == "s"] == [
            at(minute) for minute in range(1, 10)
        ]
        (once,) = [each for each in events if each.source == "once"]
        for each in events:
            due = at(4, 30.25) if each is once else each.attempts[0].started_at.replace(second=0, microsecond=0)
            assert due <= each.attempts[0].started_at < due + timedelta(seconds=0.3)
            assert each.created_at < due or due == at(1), "made ahead, but for what comes before the timer's first run"
            assert (each.source_kind, each.state) == (SourceKind.SCHEDULE, State.SUCCESS)

    scheduled(body)


def test_a_crowd_at_one_minute_is_no_flood_and_nobody_is_late() -> None:
    """More than 64 messages of one EventType go to the overflow, which is looked at each 5 s."""

    async def body(fleet: Fleet) -> None:
        for number in range(90):
            await fleet.rig.schedule(f"s{number}", cron="5 6 * * *")
        fleet.sink("sink-1", 0, slots=128)
        await reach(at(6))
        events = await made(fleet)
        assert len(events) == 90
        assert {each.queue for each in events} == {keys.queue_of_sink_type(SINK_TYPE)}
        assert max(each.attempts[0].started_at for each in events) < at(5, 1)
        assert min(each.attempts[0].started_at for each in events) >= at(5)

    scheduled(body)


def test_what_is_given_to_the_sink_meanwhile_does_not_wait_for_the_tick() -> None:
    """And only as many are kept in hand as there are slots for."""

    async def body(fleet: Fleet) -> None:
        await fleet.rig.event_type("B")
        await fleet.rig.schedule(cron="2 6 * * *")
        await fleet.rig.schedule("t", cron="2 6 * * *")
        fleet.sink("sink-1", 0, slots=2)
        await reach(at(2, -1.2))
        queue = (await made(fleet))[0].queue
        assert await fleet.storage.queues.receive(queue, count=32, hidden_seconds=1) == [], "both are in hand"
        await fleet.rig.hub.polls._dispatcher._loops[queue].step()
        blocked = await fleet.rig.fire("B")
        await reach(at(2, -0.5))
        assert (await fleet.rig.read(blocked.id)).state is State.QUEUED, "its slots are kept for the ticks"
        await reach(at(2, 1))
        assert [kind for _, kind in fleet.finished] == ["A", "A", "B"]
        await fleet.rig.schedule(cron="4 6 * * *")
        await reach(at(4, -1.2))
        await fleet.rig.fire("B")
        await reach(at(4, -0.7))
        assert [kind for _, kind in fleet.finished][3:] == ["B"]
        await reach(at(4, 1))
        assert [kind for _, kind in fleet.finished][4:] == ["A"]

    scheduled(body)


def test_three_hubs_make_each_tick_once() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.event_type("B")
        await fleet.rig.schedule(event_types=["A", "B"])
        for number in range(3):
            fleet.sink(f"sink-{number}", number, slots=2)
        await reach(at(10, 30))
        events = [each for each in await made(fleet) if each.attempts]
        assert len(events) == 20
        assert sorted(kind for _, kind in fleet.finished) == ["A"] * 10 + ["B"] * 10

    scheduled(body, hubs=3)


def test_a_tick_that_comes_within_a_minute_of_the_schedule_is_fired() -> None:
    async def body(fleet: Fleet) -> None:
        fleet.sink("sink-1", 0, slots=1)
        await reach(at(1, 10))
        await fleet.rig.schedule(cron="2 * * * *")
        await reach(at(3))
        (event,) = await made(fleet)
        assert at(2) <= event.attempts[0].started_at < at(2, 2)  # the timer itself makes it, a moment late

    scheduled(body)


def test_nothing_is_fired_that_was_before_the_schedule() -> None:
    async def body(fleet: Fleet) -> None:
        await reach(at(30))
        await fleet.rig.schedule(cron="0-30 * * * *", catch_up="all")
        await fleet.rig.schedule("past", at=at(29).isoformat(), catch_up="all")
        await reach(at(35))
        assert await made(fleet) == []

    scheduled(body)


def test_a_disabled_event_type_is_not_fired_and_the_others_are() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.event_type("B", enabled=False)
        await fleet.rig.schedule(event_types=["A", "B"], cron="2 6 * * *")
        await reach(at(4))
        assert [each.event_type for each in await made(fleet)] == ["A"]

    scheduled(body)


# --- what was missed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("catch_up", "minutes"), [("none", range(20, 23)), ("last", range(19, 23)), ("all", range(6, 23))]
)
def test_what_the_timer_missed_is_caught_up_as_the_schedule_says(catch_up: str, minutes: range) -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.schedule(catch_up=catch_up, catch_up_window_seconds=900)
        await reach(at(0, 30))
        await fleet.hubs[0].upkeep.tick()
        before = {each.id for each in await made(fleet)}
        assert len(before) == 2
        await reach(at(20, 30))
        await fleet.hubs[0].upkeep.tick()
        found = [each for each in await made(fleet) if each.id not in before]
        assert [each.not_before for each in found] == [at(minute) for minute in minutes]

    scheduled(body, timers=False)


def test_where_the_timer_has_stopped_a_process_with_traffic_fires_what_is_due() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.schedule(cron="6 6 * * *")
        await fleet.hubs[0].upkeep.tick()
        await reach(at(5))
        fleet.hubs[0].upkeep.traffic()
        await reach(at(5, 10))
        assert [each.not_before for each in await made(fleet)] == [at(6)]

    scheduled(body, timers=False)


def test_what_is_caught_up_runs_though_its_queue_time_out_is_over() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.event_type("A", queue_timeout_seconds=60)
        await fleet.rig.schedule(cron="5 6 * * *")
        await reach(at(30))
        fleet.sink("sink-1", 0, slots=1)
        await fleet.hubs[0].upkeep.tick()
        await reach(at(31))
        assert ends(await made(fleet)) == ["SUCCESS"]

    scheduled(body, timers=False)


# --- never under an old definition ------------------------------------------------------------------------------------


async def _disable(fleet: Fleet) -> None:
    await fleet.rig.hub.resources.patch(Kind.SOURCE, "s", {"enabled": False}, ANY)


async def _change(fleet: Fleet) -> None:
    await fleet.rig.schedule(cron="59 23 * * *")


async def _change_the_payload_only(fleet: Fleet) -> None:
    await fleet.rig.schedule(cron="3 6 * * *", payload={"new": True})


async def _delete(fleet: Fleet) -> None:
    await fleet.rig.hub.resources.delete(Kind.SOURCE, "s", ANY)


async def _delete_and_make_anew(fleet: Fleet) -> None:
    await _delete(fleet)
    await fleet.rig.schedule(cron="3 6 * * *")


async def _pause(fleet: Fleet) -> None:
    await fleet.rig.hub.resources.pause(Kind.SOURCE, "s", Pause())


@pytest.mark.parametrize(
    ("act", "codes"),
    [
        (_disable, [Code.SCHEDULE_CHANGED]),
        (_change, [Code.SCHEDULE_CHANGED]),
        (_change_the_payload_only, [Code.SCHEDULE_CHANGED, "SUCCESS"]),
        (_delete, [Code.SCHEDULE_CHANGED]),
        (_delete_and_make_anew, [Code.SCHEDULE_CHANGED, "SUCCESS"]),
        (_pause, [Code.SCHEDULE_PAUSED]),
    ],
)
@pytest.mark.parametrize("before", [59, 0.3, 0.02])
@pytest.mark.parametrize("sinks", [1, 0])
def test_what_was_made_ahead_ends_without_running(
    act: Callable[[Fleet], Awaitable[None]], codes: list[str], before: float, sinks: int
) -> None:
    """Another hub hands it out than the one that was asked to change it, and its copy may be 5 s old."""

    async def body(fleet: Fleet) -> None:
        await fleet.rig.event_type("HANDLER")
        await fleet.rig.event_type("A", on={"on_failure": "HANDLER", "on_success": "HANDLER"})
        await fleet.rig.schedule(cron="3 6 * * *")
        for number in range(sinks):
            fleet.sink(f"sink-{number}", 1, slots=4)
        await reach(at(3, -before - 0.1))
        assert ends(await made(fleet)) == ["QUEUED"]
        await fleet.hubs[1].configuration.current()
        await act(fleet)
        await reach(at(3) + timedelta(seconds=0.5))
        if not sinks:
            await reach(at(6))
            await fleet.hubs[1].upkeep.tick()
        else:
            await reach(at(4))
        events = [each for each in await made(fleet) if each.event_type == "A"]
        ended = sorted(each for each in ends(events) if each != "QUEUED")
        assert ended == sorted(each for each in codes if sinks or each != "SUCCESS")
        assert all(not each.attempts and each.follow_on is None for each in events if each.result_code)
        assert len([each for each in await made(fleet) if each.event_type == "HANDLER"]) == ended.count("SUCCESS")

    scheduled(body, hubs=2, timers=True)


def test_upkeep_with_an_old_copy_of_the_configuration_ends_nothing_of_a_newer_definition() -> None:
    async def body(fleet: Fleet) -> None:
        one, other = fleet.hubs
        await fleet.rig.schedule()
        await reach(at(0, 30))
        await other.configuration.current()
        await fleet.rig.schedule(payload={"new": True})
        await one.sources.schedules.step()
        assert len(await made(fleet)) == 2
        await other.upkeep.reconcile()
        assert ends(await made(fleet)) == ["QUEUED", "QUEUED"]

    scheduled(body, hubs=2, timers=False)


def test_an_event_that_has_begun_is_retried_whatever_becomes_of_its_schedule() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.event_type("A", retry={"max_attempts": 2, "backoff_seconds": 20, "jitter": 0})
        await fleet.rig.schedule(cron="1 6 * * *")
        await reach(at(1))
        task = await fleet.rig.one()
        await _disable(fleet)
        await fleet.rig.report(task, ResultState.ERROR)
        await reach(at(1, 30))
        again = await fleet.rig.one()
        assert again.event_id == task.event_id

    scheduled(body)


def test_enabling_again_goes_on_from_now() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.schedule(catch_up="all")
        await reach(at(2, 30))
        await _disable(fleet)
        await reach(at(8, 30))
        await fleet.rig.hub.resources.patch(Kind.SOURCE, "s", {"enabled": True}, ANY)
        await reach(at(10, 30))
        assert [each.not_before for each in await made(fleet) if not each.result_code] == [
            at(minute) for minute in (9, 10, 11, 12)
        ]

    scheduled(body)


def test_what_lies_in_a_pause_is_not_fired_also_not_later() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.schedule(catch_up="all")
        fleet.sink("sink-1", 0, slots=1)
        await reach(at(3, 30))
        await _pause(fleet)
        await reach(at(7, 30))
        await fleet.rig.hub.resources.pause(Kind.SOURCE, "s", None)
        await reach(at(9, 30))
        await fleet.rig.hub.resources.pause(Kind.SOURCE, "s", Pause(until=at(12, 30)))
        await reach(at(14, 30))
        events = await made(fleet)
        assert [each.attempts[0].started_at.minute for each in events if each.attempts] == [1, 2, 3, 8, 9, 13, 14]
        paused = [each for each in events if each.result_code == Code.SCHEDULE_PAUSED]
        assert [each.id for each in events if not each.attempts and each not in paused] == [
            events[-2].id,
            events[-1].id,
        ]
        assert len(paused) <= 4  # what was made ahead when the pause began

    scheduled(body)


def test_what_waited_before_a_pause_began_still_runs() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.schedule(cron="2 6 * * *")
        await reach(at(3))
        await _pause(fleet)
        await reach(at(6))
        fleet.sink("sink-1", 0, slots=1)
        await reach(at(7))
        assert ends(await made(fleet)) == ["SUCCESS"]

    scheduled(body)


# --- overlap ----------------------------------------------------------------------------------------------------------


def test_skip_leaves_out_what_comes_while_an_earlier_one_runs() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.event_type("HANDLER")
        await fleet.rig.event_type("A", lease_seconds=3600, on={"on_failure": "HANDLER"})
        await fleet.rig.schedule(overlap="skip")
        fleet.sink("sink-1", 0, slots=8, seconds=150)
        await reach(at(8, 40))
        events = [each for each in await made(fleet) if each.not_before is None or each.not_before < at(9)]
        skip = str(Code.OVERLAPPED)
        assert ends(events) == ["SUCCESS", skip, skip, "SUCCESS", skip, skip, "RUNNING", skip]
        assert all(each.follow_on is None for each in events)

    scheduled(body)


@pytest.mark.parametrize("order", [(1, 2, 3, 4, 5), (5, 4, 3, 2, 1), (3, 5, 1, 2, 4)])
def test_which_are_skipped_does_not_depend_on_who_is_met_first(order: Sequence[int]) -> None:
    """The first of them ran until the fourth's time; the others waited for a sink all the while."""

    async def body(fleet: Fleet) -> None:
        await fleet.rig.schedule(cron="1-5 6 * * *", overlap="skip")
        await reach(at(1))
        task = await fleet.rig.one()
        await reach(at(3, 30))
        await fleet.rig.report(task)
        await reach(at(10))
        events = await made(fleet)
        assert ends(events) == ["SUCCESS", *["QUEUED"] * 4]
        hub = fleet.hubs[0]
        follow = hub.polls._dispatcher._follow
        queue = events[0].queue
        received: dict[str, Any] = {}
        while len(received) < 4:
            for message in await hub.storage.queues.receive(queue, count=32, hidden_seconds=600):
                received[message.body.split('"id":"')[1][:26]] = message
        met = {}
        for number in order[0:5]:
            if number > 1:
                met[number] = await follow(queue, received[events[number - 1].id], "sink-1")
        assert [number for number in sorted(met) if met[number] is not None] == [4]
        skip = str(Code.OVERLAPPED)
        assert ends(await made(fleet)) == ["SUCCESS", skip, skip, "RUNNING", skip]

    scheduled(body)


def test_queue_runs_one_after_the_other_in_order() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.schedule(cron="1-4 6 * * *", overlap="queue")
        fleet.sink("sink-1", 0, slots=8, seconds=100)
        await reach(at(10))
        events = await made(fleet)
        assert ends(events) == ["SUCCESS"] * 4
        assert fleet.most_running["A"] == 1
        begun = [each.attempts[0].started_at for each in events]
        assert begun == sorted(begun)
        waits = [later - (earlier + timedelta(seconds=100)) for earlier, later in pairwise(begun)]
        assert max(waits) < timedelta(seconds=17)

    scheduled(body)


@pytest.mark.parametrize("overlap", ["skip", "queue"])
def test_what_still_runs_under_an_earlier_definition_counts(overlap: str) -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.schedule(overlap=overlap)
        fleet.sink("sink-1", 0, slots=8, seconds=400)
        await reach(at(1, 30))
        await fleet.rig.schedule(overlap=overlap, payload={"new": True})
        await reach(at(5))
        assert fleet.most_running["A"] == 1
        assert {str(each.result_code) for each in await made(fleet) if each.state.final} == {
            *([Code.OVERLAPPED] if overlap == "skip" else []),
            Code.SCHEDULE_CHANGED,
        }

    scheduled(body)


# --- what it costs ----------------------------------------------------------------------------------------------------


def test_a_step_without_anything_due_costs_two_reads_however_many_schedules_there_are() -> None:
    async def body(fleet: Fleet) -> None:
        for number in range(40):
            await fleet.rig.schedule(f"s{number}", cron="0 0 1 1 *")
        hub = fleet.hubs[0]
        await hub.sources.schedules.step()
        with counting() as spent:
            assert await hub.sources.schedules.step() == 0
        assert spent == {"table.query": 1, "table.get": 1}

    scheduled(body, timers=False)


def test_without_any_schedule_a_step_costs_nothing() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.hubs[0].configuration.current()
        with counting() as spent:
            assert await fleet.hubs[0].sources.schedules.step() == 0
        assert spent == {}

    scheduled(body, timers=False)


def test_ticks_cost_an_insert_and_a_message_each_and_a_write_for_each_ninety_six_schedules() -> None:
    async def body(fleet: Fleet) -> None:
        for number in range(100):
            await fleet.rig.schedule(f"s{number}", cron="1 6 * * *")
        await fleet.rig.fire("A")  # the hour's partition is registered
        hub = fleet.hubs[0]
        await hub.configuration.current()
        with counting() as spent:
            assert await hub.sources.schedules.step() == 100
        assert spent == {
            "table.query": 1, "table.get": 1, "table.insert": 100, "queue.put": 100, "table.transact": 2,
        }  # fmt: skip
        with counting() as spent:
            assert await hub.sources.schedules.step() == 0
        assert spent == {"table.query": 1, "table.get": 1}

    scheduled(body, timers=False)


@pytest.mark.parametrize(("overlap", "more"), [("allow", 1), ("skip", 2), ("queue", 2)])
def test_an_event_of_a_schedule_costs_one_read_more_than_another_and_one_more_for_its_overlap(
    monkeypatch: pytest.MonkeyPatch, overlap: str, more: int
) -> None:
    monkeypatch.setattr(copy, "FRESH_SECONDS", 1e9)
    monkeypatch.setattr(lanes, "LOOK_SECONDS", 1e9)
    monkeypatch.setattr(presence, "WRITE_EVERY", timedelta(days=1))

    async def one(fleet: Fleet) -> Counter[str]:
        with counting() as spent:
            await fleet.rig.report(await fleet.rig.one())
        return Counter(spent)

    async def body(fleet: Fleet) -> None:
        await fleet.rig.schedule(cron="1,2 6 * * *", overlap=overlap)
        await fleet.hubs[0].sources.schedules.step()
        await reach(at(1))
        await one(fleet)
        await fleet.rig.fire("A")
        plain = await one(fleet)
        await reach(at(2))
        assert await one(fleet) - plain == {"table.get": more}

    scheduled(body, timers=False)

    scheduled(body, timers=False)


def test_a_row_is_not_removed_because_the_configuration_was_read_before_its_schedule_was_there() -> None:
    """Another process puts a schedule, and fires it, between two reads of a step."""

    async def body(fleet: Fleet) -> None:
        one, other = fleet.hubs
        await fleet.rig.schedule("first")
        rows = one.sources.schedules._rows
        read = rows.all

        async def read_late() -> Any:
            await other.resources.apply(
                {Kind.SOURCE: [{"name": "s", "kind": "SCHEDULE", "event_types": ["A"], "cron": "* * * * *"}]}
            )
            await other.sources.schedules.step()
            return await read()

        rows.all = read_late  # type: ignore[method-assign]
        await one.sources.schedules.step()
        assert sorted(await read()) == ["first", "s"]

    scheduled(body, hubs=2, timers=False)


def test_rows_of_schedules_that_are_gone_are_removed() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.schedule()
        await fleet.rig.schedule("t")
        await reach(at(1, 30))
        rows = ScheduleRows(fleet.storage.tables)
        assert sorted(await rows.all()) == ["s", "t"]
        await _delete(fleet)
        await reach(at(2, 30))
        assert sorted(await rows.all()) == ["t"]

    scheduled(body)
