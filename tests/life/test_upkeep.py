"""Upkeep with a great deal to look through: a step is bounded, the next goes on where it stopped, nothing is missed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from hub.life.terms import Terms
from hub.model.event import Code, State
from hub.rules.keeping import Keeping
from hub.rules.partitions import Partition, partition_of
from hub.storage import upkeep_rows
from hub.storage.configuration import RowKind
from hub.storage.counting import counting
from hub.storage.embedded import open_embedded
from hub.storage.keys import PAYLOADS, queue_of_sink_type
from hub.storage.partition_index import settled_hour
from hub.storage.ports import Row, Storage
from hub.storage.upkeep_rows import OpenEvent
from hub.turns import A_TURN
from hub.upkeep import reconcile, retention, watch
from tests.contract.rig import ManualClock
from tests.life.rig import SINK, SINK_TYPE, LifeRig, open_rig
from tests.unit.ticking import ticking

HOUR = 3600


async def _fire(rig: LifeRig, count: int, event_type: str = "A") -> list[str]:
    return [event.id for event in await asyncio.gather(*(rig.fire(event_type) for _ in range(count)))]


async def _run(rig: LifeRig, count: int) -> list[str]:
    """So many events, from creation to SUCCESS, at this time."""
    fired = await _fire(rig, count)
    done: set[str] = set()
    while len(done) < count:
        for task in await rig.poll(slots=32):
            await rig.report(task)
            done.add(task.event_id)
    return fired


async def _states(rig: LifeRig, event_ids: list[str]) -> Counter[State]:
    return Counter([(await rig.read(each)).state for each in event_ids])


# --- reconcile --------------------------------------------------------------------------------------------------------


async def test_a_page_of_open_events_keeps_nobody_waiting(rig: LifeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five hundred in one go would be 10 ms of the event loop, and a request waits for several such."""
    await rig.event_type("A")
    await _fire(rig, 3 * A_TURN)
    decode, look_at = upkeep_rows._open, watch.Lookout.look_at
    decoded, looked_at = list[int](), list[int]()

    def noted_decode(row: Row) -> OpenEvent:
        decoded.append(ticker.turns)
        return decode(row)

    def noted_look(self: watch.Lookout, events: Sequence[OpenEvent]) -> None:
        looked_at.extend([ticker.turns] * len(events))
        look_at(self, events)

    monkeypatch.setattr(upkeep_rows, "_open", noted_decode)
    monkeypatch.setattr(watch.Lookout, "look_at", noted_look)
    async with ticking() as ticker:
        await rig.hub.upkeep._reconciler.step()
    for turns in (decoded, looked_at):
        assert len(turns) == 3 * A_TURN
        assert max(Counter(turns).values()) <= A_TURN


async def test_a_step_ends_after_so_many_rows_and_the_next_goes_on(
    rig: LifeRig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "PAGE", 20)
    monkeypatch.setattr(reconcile, "ROWS_A_STEP", 60)
    await rig.event_type("A", queue_timeout_seconds=60)
    fired = await _fire(rig, 150)
    clock.advance(61)
    assert [await rig.hub.upkeep._reconciler.step() for _ in range(3)] == [60, 60, 30]
    assert await _states(rig, fired) == {State.ERROR: 150}
    assert (await rig.hub.context.partitions.mark()).underway is None


async def test_a_step_ends_after_so_many_seconds_and_the_next_goes_on(
    rig: LifeRig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "PAGE", 20)
    await rig.event_type("A", queue_timeout_seconds=60)
    fired = await _fire(rig, 100)
    clock.advance(61)
    _slow_down(rig.hub.storage, clock, reconcile.STEP_SECONDS / 3 + 0.1)
    assert [await rig.hub.upkeep._reconciler.step() for _ in range(2)] == [60, 40]
    assert await _states(rig, fired) == {State.ERROR: 100}


async def test_a_step_that_is_over_between_two_hours_goes_on_at_the_older_one(
    rig: LifeRig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "ROWS_A_STEP", 10)
    await rig.event_type("A", queue_timeout_seconds=60)
    older = await _fire(rig, 10)
    clock.advance(HOUR)
    newer = await _fire(rig, 10)
    clock.advance(61)
    assert await rig.hub.upkeep._reconciler.step() == 10
    assert await _states(rig, newer) == {State.ERROR: 10}
    assert await rig.hub.upkeep._reconciler.step() == 10
    assert await _states(rig, older) == {State.ERROR: 10}


def _slow_down(storage: Storage, clock: ManualClock, seconds: float) -> None:
    search = storage.tables.search

    async def slow(*arguments: object, **options: object) -> object:
        clock.advance(seconds)
        return await search(*arguments, **options)  # type: ignore[arg-type]

    storage.tables.search = slow  # type: ignore[method-assign, assignment]


@pytest.mark.parametrize("gone", [False, True])
async def test_what_waits_where_nobody_looks_any_more_is_sent_where_today_s_sinks_look(
    rig: LifeRig, clock: ManualClock, gone: bool
) -> None:
    """A sink looks into its own queue only while an EventType names it."""
    await rig.event_type("A", sink=SINK)
    (fired,) = await _fire(rig, 1)
    await rig.event_type("A")
    if gone:
        await rig.remove(RowKind.EVENT_TYPE, "A")
    clock.advance(HOUR - 1)
    await rig.hub.upkeep._reconciler.step()
    assert await rig.poll(seconds=0.2) == ()
    clock.advance(1)
    await rig.hub.upkeep._reconciler.step()
    tasks = await rig.poll(seconds=0.5)
    event = await rig.read(fired)
    if gone:
        assert (event.state, event.result_code) == (State.ERROR, Code.CONFIGURATION_MISSING)
    else:
        assert [task.event_id for task in tasks] == [fired]
        assert event.queue == queue_of_sink_type(SINK_TYPE)


async def test_what_waits_is_looked_at_without_being_read_whole(rig: LifeRig, clock: ManualClock) -> None:
    await rig.event_type("A")
    await _fire(rig, 200)
    clock.advance(1800)
    with counting() as spent:
        assert await rig.hub.upkeep._reconciler.step() == 0
    assert spent["table.get"] == 3  # the mark, the configuration's version, how far the watch has come
    assert spent["table.query"] == 3  # the index, the partition, the sinks


@pytest.mark.parametrize("hours", [3, 30])
async def test_settled_hours_before_an_event_that_waits_for_long_are_looked_through_once(
    rig: LifeRig, clock: ManualClock, hours: int
) -> None:
    await rig.event_type("A")
    await rig.event_type("WAITS", sink_type="PYTHON:BASE", pause={})
    (waits,) = await _fire(rig, 1, "WAITS")
    for _ in range(hours):
        clock.advance(HOUR)
        await _run(rig, 2)
    clock.advance(HOUR * 2)
    await rig.hub.upkeep._reconciler.step()
    mark = await rig.hub.context.partitions.mark()
    assert mark.hour == partition_of(waits).hour
    clock.advance(60)
    with counting() as spent:
        await rig.hub.upkeep._reconciler.step()
    assert spent["table.query"] == 3  # the index, the hour of the one that waits, the sinks
    assert mark.hour < settled_hour(rig.hub.context.now())


async def test_an_hour_that_may_still_get_events_is_not_called_settled(rig: LifeRig, clock: ManualClock) -> None:
    """An event that is created in its own hour does not say so to upkeep."""
    await rig.event_type("A", queue_timeout_seconds=60)
    await _run(rig, 1)
    await rig.hub.upkeep._reconciler.step()
    late = await _fire(rig, 1)
    clock.advance(61)
    await rig.hub.upkeep._reconciler.step()
    assert await _states(rig, late) == {State.ERROR: 1}


async def test_an_hour_that_was_settled_is_not_any_more_once_an_old_id_comes(rig: LifeRig, clock: ManualClock) -> None:
    await rig.event_type("A", queue_timeout_seconds=60)
    (first,) = await _run(rig, 1)
    old = partition_of(first)
    clock.advance(HOUR * 5)
    await rig.hub.upkeep._reconciler.step()
    (indexed,) = await rig.hub.context.partitions.newest_first()
    assert indexed.settled
    late = await rig.fire("A", id=first[:-2] + ("0" if first[-2] != "0" else "1") + first[-1])
    assert partition_of(late.id) == old
    await rig.hub.context.partitions.settle(indexed)  # by a step that had looked before
    assert [each.settled for each in await rig.hub.context.partitions.newest_first()] == [False]
    clock.advance(61)
    await rig.hub.upkeep._reconciler.step()
    assert (await rig.read(late.id)).state is State.ERROR


# --- retention --------------------------------------------------------------------------------------------------------


@pytest.fixture
async def kept(clock: ManualClock) -> AsyncIterator[LifeRig]:
    """A hub that keeps events for a day."""
    async with open_rig(
        open_embedded(None, clock), clock, terms=Terms(inline_bytes=10), keeping=Keeping.all_for(1)
    ) as rig:
        await rig.event_type("A")
        await rig.event_type("WAITS", pause={})
        yield rig


async def _remaining(rig: LifeRig, partitions: set[Partition]) -> int:
    tables = rig.hub.storage.tables
    return sum([len(await tables.query("events", each.name, select=[])) for each in partitions])


async def test_what_has_to_stay_does_not_keep_what_is_older_from_going(
    kept: LifeRig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when each step begins in another process: where it stopped is stored."""
    monkeypatch.setattr(retention, "PAGE", 10)
    monkeypatch.setattr(retention, "LOOKED_AT_A_STEP", 20)
    old = await _run(kept, 7)
    clock.advance(HOUR)
    waiting = await _fire(kept, 65, "WAITS")
    clock.advance(HOUR * 26)
    removed = []
    for _ in range(4):
        step = retention.Retention(kept.hub.context, kept.hub.upkeep._retention._rows, Keeping.all_for(1))
        with counting() as spent:
            removed.append(await step.step())
        assert spent["table.query"] < 8 + 2 * removed[-1]
    assert removed == [0, 0, 0, 7]
    assert await _remaining(kept, {partition_of(old[0])}) == 0
    assert await _remaining(kept, {partition_of(waiting[0])}) == 65


async def test_a_step_of_retention_ends_after_so_many(
    kept: LifeRig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PAGE", 10)
    monkeypatch.setattr(retention, "REMOVED_A_STEP", 30)
    old = await _run(kept, 80)
    clock.advance(HOUR * 26)
    assert [await kept.hub.upkeep._retention.step() for _ in range(4)] == [30, 30, 20, 0]
    assert await _remaining(kept, {partition_of(old[0])}) == 0
    assert await kept.hub.context.partitions.newest_first() == []


async def test_rows_are_removed_a_hundred_at_a_time(kept: LifeRig, clock: ManualClock) -> None:
    await _run(kept, 120)
    clock.advance(HOUR * 26)
    with counting() as spent:
        assert await kept.hub.upkeep._retention.step() == 120
    assert spent["table.transact"] == 2
    assert spent["blob.delete"] == 0
    assert spent["table.query"] == 120 + 2  # a log each, the index, the partition
    assert spent["table.delete"] == 1  # the partition's row in the index


async def test_one_row_that_changed_meanwhile_does_not_keep_the_others(
    kept: LifeRig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await _run(kept, 5)
    clock.advance(HOUR * 26)
    remove = kept.hub.context.logs.remove

    async def and_change(event_id: str) -> None:
        await remove(event_id)
        if event_id == old[2]:
            stored = await kept.stored(event_id)
            await kept.hub.context.events.merge(event_id, {"hints": 1}, stored.etag)

    with monkeypatch.context() as patched:
        patched.setattr(type(kept.hub.context.logs), "remove", lambda _, event_id: and_change(event_id))
        assert await kept.hub.upkeep._retention.step() == 4
    assert await _remaining(kept, {partition_of(old[0])}) == 1
    assert [each.partition for each in await kept.hub.context.partitions.newest_first()] == [partition_of(old[2])]
    clock.advance(HOUR)
    assert await kept.hub.upkeep._retention.step() == 1


async def test_an_hour_is_not_forgotten_when_an_old_id_came_meanwhile(kept: LifeRig, clock: ManualClock) -> None:
    (first,) = await _run(kept, 1)
    clock.advance(HOUR * 26)
    index = kept.hub.context.partitions
    (indexed,) = await index.newest_first()
    await kept.fire("A", id=first[:-2] + ("0" if first[-2] != "0" else "1") + first[-1])
    await index.forget(indexed)
    assert [each.partition for each in await index.newest_first()] == [partition_of(first)]


async def test_payloads_and_results_go_with_their_rows(kept: LifeRig, clock: ManualClock) -> None:
    event = await kept.fire("A", b'{"long":"enough for a blob"}')
    await kept.report(await kept.one(), data={"also": "long enough"})
    assert await kept.hub.storage.blobs.get(PAYLOADS, event.id)
    clock.advance(timedelta(hours=26).total_seconds())
    with counting() as spent:
        assert await kept.hub.upkeep._retention.step() == 1
    assert spent["blob.delete"] == 2
