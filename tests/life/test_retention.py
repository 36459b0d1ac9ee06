"""Retention by state: what has to stay is not looked at again and again; what may go goes, whatever comes between."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from hub.errors import Unavailable
from hub.life.context import LifeContext
from hub.model.configuration import SinkType
from hub.model.event import State
from hub.rules import ids
from hub.rules.keeping import Keeping
from hub.rules.partitions import partition_of
from hub.storage.counting import counting
from hub.storage.embedded import open_embedded
from hub.storage.ports import Storage
from hub.storage.upkeep_rows import UpkeepRows
from hub.upkeep import retention
from hub.upkeep.retention import Retention
from hub.wire import Renew, ResultState
from tests.contract.rig import ManualClock, unique
from tests.life.hooks import Breaking, Died, hub_over
from tests.life.rig import SINK, SINK_TYPE, LifeRig, open_rig

HOUR, DAY = 3600, 86_400
ENDS = (ResultState.SUCCESS, ResultState.WARNING, ResultState.ERROR)
BY_STATE = Keeping(success=1, warning=3)


@pytest.fixture
async def storage(clock: ManualClock) -> Storage:
    opened = open_embedded(None, clock)
    await opened.prepare()
    return opened


@pytest.fixture
async def rig(storage: Storage, clock: ManualClock) -> AsyncIterator[LifeRig]:
    """A hub that keeps SUCCESS for a day, WARNING for three, ERROR for ever."""
    async with open_rig(storage, clock, keeping=BY_STATE) as opened:
        await opened.event_type("A")
        await opened.event_type("WAITS", pause={})
        yield opened


async def ended(rig: LifeRig, *states: ResultState, event_type: str = "A", **fields: Any) -> list[str]:
    """Events that end so, now; their ids."""
    made = []
    for state in states:
        event = await rig.fire(event_type, **fields)
        (task,) = await rig.poll(sink_type=fields.get("pool", SINK_TYPE))
        await rig.report(task, state)
        made.append(event.id)
    return made


async def left(rig: LifeRig, event_ids: list[str]) -> Counter[State]:
    """What there still is of these."""
    found: Counter[State] = Counter()
    for partition in {partition_of(each) for each in event_ids}:
        found.update(each.event.state for each in await rig.hub.context.events.list(partition))
    return found


async def steps(rig: LifeRig, clock: ManualClock, hours: int) -> None:
    """The timer's work, each hour."""
    for _ in range(hours):
        clock.advance(HOUR)
        await rig.hub.upkeep.tick()


def retention_of(rig: LifeRig, keeping: Keeping = BY_STATE, context: LifeContext | None = None) -> Retention:
    return Retention(context or rig.hub.context, UpkeepRows(rig.hub.storage.tables), keeping)


async def test_each_state_goes_in_its_time(rig: LifeRig, clock: ManualClock) -> None:
    made = await ended(rig, *ENDS * 2)
    everything = {State.SUCCESS: 2, State.WARNING: 2, State.ERROR: 2}
    await steps(rig, clock, 23)
    assert await left(rig, made) == everything
    await steps(rig, clock, 3)
    assert await left(rig, made) == {State.WARNING: 2, State.ERROR: 2}
    await steps(rig, clock, 45)
    assert await left(rig, made) == {State.WARNING: 2, State.ERROR: 2}
    await steps(rig, clock, 3)
    assert await left(rig, made) == {State.ERROR: 2}
    await steps(rig, clock, 24 * 60)
    assert await left(rig, made) == {State.ERROR: 2}


@pytest.mark.parametrize(
    ("keeping", "gone"),
    [
        (Keeping(), ()),
        (Keeping.all_for(2), ENDS),
        (Keeping(success=2), (ResultState.SUCCESS,)),
        (Keeping(error=2), (ResultState.ERROR,)),
        (Keeping(warning=2, error=2), (ResultState.WARNING, ResultState.ERROR)),
        (Keeping(success=9, error=2), (ResultState.ERROR,)),
        (Keeping(success=2, warning=9, error=9), (ResultState.SUCCESS,)),
    ],
)
async def test_what_goes_under_which_settings(
    rig: LifeRig, clock: ManualClock, keeping: Keeping, gone: tuple[ResultState, ...]
) -> None:
    made = await ended(rig, *ENDS)
    clock.advance(2 * DAY + 2 * HOUR)
    assert await retention_of(rig, keeping).step() == len(gone)
    assert set(await left(rig, made)) == {State(each) for each in ENDS if each not in gone}
    clock.advance(8 * DAY)
    await retention_of(rig, keeping).step()
    await retention_of(rig, keeping).step()
    limited = set(keeping.limited)
    assert set(await left(rig, made)) == {State(each) for each in ENDS} - limited


async def test_an_hour_in_which_all_is_gone_is_forgotten(rig: LifeRig, clock: ManualClock) -> None:
    await ended(rig, ResultState.ERROR, ResultState.ERROR)
    clock.advance(DAY + 2 * HOUR)
    assert await retention_of(rig, Keeping(error=1)).step() == 2  # though nobody looked at what ended in SUCCESS
    assert await rig.hub.context.partitions.newest_first() == []


async def test_what_is_kept_for_ever_costs_a_step_nothing_however_much_there_is(
    rig: LifeRig, clock: ManualClock
) -> None:
    costs = []
    for count in (3, 40):
        for _ in range(count):
            await ended(rig, ResultState.ERROR, ResultState.SUCCESS)
            clock.advance(HOUR)
        clock.advance(2 * DAY)
        for _ in range(3):
            await rig.hub.upkeep._retention.step()
            clock.advance(2 * HOUR)
        with counting() as spent:
            assert await rig.hub.upkeep._retention.step() == 0
        costs.append(dict(spent))
    assert costs == [{"table.get": 1, "table.query": 1}] * 2


async def test_an_index_that_is_longer_than_a_step_reads_is_gone_through_in_turn(
    rig: LifeRig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "HOURS_A_PAGE", 5)
    made = []
    for _ in range(33):
        made += await ended(rig, ResultState.ERROR, ResultState.SUCCESS)
        clock.advance(HOUR)
    clock.advance(2 * DAY)
    removed = []
    for _ in range(8):  # each in a process of its own
        with counting() as spent:
            removed.append(await retention_of(rig).step())
        assert spent["table.query"] <= 2 + removed[-1] * 3
    assert removed == [10, 10, 10, 3, 0, 0, 0, 0]
    assert await left(rig, made) == {State.ERROR: 33}
    late = await ended(rig, ResultState.SUCCESS)
    await steps(rig, clock, 26 + 4)
    assert await left(rig, late) == {}


@pytest.mark.parametrize("keeping", [BY_STATE, Keeping(error=5, warning=1)], ids=["all rows", "by index"])
async def test_a_large_hour_takes_many_steps_and_is_then_left_alone(
    rig: LifeRig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, keeping: Keeping
) -> None:
    """Also what was met in earlier steps counts, when it is said until when the hour can be left alone."""
    made = await ended(rig, ResultState.WARNING)
    clock.advance(1)
    made += await ended(rig, *[ResultState.ERROR, ResultState.SUCCESS] * 20)
    clock.advance(1)
    made += await ended(rig, ResultState.WARNING)
    clock.advance(DAY + 2 * HOUR)
    monkeypatch.setattr(retention, "PAGE", 3)
    monkeypatch.setattr(retention, "LOOKED_AT_A_STEP", 6)
    spent = []
    for _ in range(15):
        with counting() as one:
            await retention_of(rig, keeping).step()
        spent.append(one["table.query"])
    assert max(spent[:8]) <= 4 + 3 * 6
    assert spent[-1] == 1, "the index, and nothing else"
    expected = {State.WARNING: 2, State.ERROR: 20, State.SUCCESS: 20}
    del expected[State.SUCCESS if keeping is BY_STATE else State.WARNING]
    assert await left(rig, made) == expected
    clock.advance(5 * DAY)
    for _ in range(20):
        await retention_of(rig, keeping).step()
    del expected[State.WARNING if keeping is BY_STATE else State.ERROR]
    assert await left(rig, made) == expected


async def test_events_of_an_hour_that_end_one_after_the_other_do_not_make_it_looked_at_each_minute(
    rig: LifeRig, clock: ManualClock
) -> None:
    made = []
    for _ in range(50):
        made += await ended(rig, ResultState.SUCCESS)
        clock.advance(60)
    made += await ended(rig, ResultState.ERROR)
    clock.advance(23 * HOUR)
    looks = 0
    for _ in range(4 * 60):
        clock.advance(60)
        with counting() as spent:
            await rig.hub.upkeep._retention.step()
        looks += spent["table.merge"]
    assert await left(rig, made) == {State.ERROR: 1}
    assert looks <= 3


async def test_what_has_an_index_is_found_without_looking_through_the_hour(
    rig: LifeRig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PAGE", 3)
    made = await ended(rig, *[ResultState.SUCCESS] * 40, ResultState.ERROR)
    clock.advance(DAY + 2 * HOUR)
    with counting() as spent:
        assert await retention_of(rig, Keeping(error=1)).step() == 1
    assert spent["table.query"] <= 4  # the index, the failures, a log, and whether anything is left
    assert await left(rig, made) == {State.SUCCESS: 40}


async def test_an_hour_that_is_not_over_yet_is_never_left_alone(rig: LifeRig, clock: ManualClock) -> None:
    """Only with less than a day, which the settings do not allow; what comes into it tells the index nothing."""
    step = retention_of(rig, Keeping(success=1e-6))
    for _ in range(2):
        made = await ended(rig, ResultState.SUCCESS, ResultState.ERROR)
        clock.advance(10)
        assert await step.step() == 1
    assert len(await rig.hub.context.partitions.newest_first()) == 1
    assert State.SUCCESS not in await left(rig, made)


class TestWhatComesLater:
    async def test_other_settings_before_a_look_is_through(
        self, rig: LifeRig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = await ended(rig, *[ResultState.ERROR] * 9, *[ResultState.SUCCESS] * 2)
        clock.advance(DAY + 2 * HOUR)
        monkeypatch.setattr(retention, "PAGE", 3)
        with monkeypatch.context() as patched:
            patched.setattr(retention, "LOOKED_AT_A_STEP", 3)
            assert await retention_of(rig, Keeping(error=1)).step() == 3
        await retention_of(rig, Keeping(success=1)).step()
        assert await left(rig, made) == {State.ERROR: 6}

    async def test_an_event_that_ends_long_after_its_hour(self, rig: LifeRig, clock: ManualClock) -> None:
        made = await ended(rig, ResultState.SUCCESS)
        waiting = await rig.fire("WAITS")
        await steps(rig, clock, 5 * 24)
        assert await left(rig, made) == {State.QUEUED: 1}
        await rig.event_type("WAITS")
        (task,) = await rig.poll()
        assert task.event_id == waiting.id
        await rig.report(task)
        await steps(rig, clock, 23)
        assert await left(rig, made) == {State.SUCCESS: 1}
        await steps(rig, clock, 4)
        assert await left(rig, made) == {}

    async def test_an_event_that_runs_over_the_hour_goes_when_its_own_time_is_over(
        self, rig: LifeRig, clock: ManualClock
    ) -> None:
        made = await ended(rig, ResultState.SUCCESS)
        await rig.event_type("SLOW", timeout_seconds=DAY, lease_seconds=HOUR)
        slow = await rig.fire("SLOW")
        (task,) = await rig.poll()
        for _ in range(40):  # it works for twenty hours
            clock.advance(HOUR / 2)
            await rig.hub.agents.renew(SINK, task.event_id, Renew(token=task.token))
        await rig.report(task)
        end = clock.now()
        while await left(rig, [*made, slow.id]):
            await steps(rig, clock, 1)
        assert timedelta(days=1) <= clock.now() - end <= timedelta(days=1, hours=3)

    async def test_an_old_id_that_comes_into_an_hour_that_is_left_alone(self, rig: LifeRig, clock: ManualClock) -> None:
        (first,) = await ended(rig, ResultState.ERROR)
        await steps(rig, clock, 48)
        (indexed,) = await rig.hub.context.partitions.newest_first()
        assert (indexed.kept_for, indexed.kept_until) == (BY_STATE.text, None)
        made = await ended(rig, ResultState.SUCCESS, id=first[:-2] + ("0" if first[-2] != "0" else "1") + first[-1])
        assert partition_of(made[0]) == partition_of(first)
        await steps(rig, clock, 23)
        assert await left(rig, made) == {State.ERROR: 1, State.SUCCESS: 1}
        await steps(rig, clock, 4)
        assert await left(rig, made) == {State.ERROR: 1}

    async def test_other_settings(self, rig: LifeRig, clock: ManualClock) -> None:
        made = await ended(rig, *ENDS)
        await steps(rig, clock, 10 * 24)
        assert await left(rig, made) == {State.ERROR: 1}
        assert await retention_of(rig, Keeping(1, 3, 9)).step() == 1
        assert await left(rig, made) == {}

    async def test_a_note_does_not_take_the_place_of_one_who_was_quicker(
        self, rig: LifeRig, clock: ManualClock
    ) -> None:
        """An hour that is settled while retention looks through it is looked through again."""
        await ended(rig, ResultState.ERROR)
        clock.advance(DAY + 2 * HOUR)
        (indexed,) = await rig.hub.context.partitions.newest_first()
        assert await rig.hub.context.partitions.settle(indexed)
        await rig.hub.context.partitions.kept(indexed, BY_STATE.text, None)
        (now,) = await rig.hub.context.partitions.newest_first()
        assert (now.settled, now.kept_for) == (True, "")

    async def test_the_mark_of_reconcile_does_not_pass_an_hour_that_could_not_be_called_settled(
        self, rig: LifeRig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else what ended last there would never be looked at: the note that retention made would stay."""
        (first,) = await ended(rig, ResultState.SUCCESS)
        clock.advance(DAY)
        partitions = rig.hub.context.partitions
        settle = type(partitions).settle

        async def too_late(self: Any, indexed: Any) -> bool:
            await self.kept(indexed, "another process", None)
            return await settle(self, indexed)

        with monkeypatch.context() as patched:
            patched.setattr(type(partitions), "settle", too_late)
            await rig.hub.upkeep._reconciler.step()
        assert (await partitions.mark()).hour <= partition_of(first).hour
        await rig.hub.upkeep._reconciler.step()
        (indexed,) = await partitions.newest_first()
        assert (indexed.settled, indexed.kept_for) == (True, "")
        assert (await partitions.mark()).hour > partition_of(first).hour


@pytest.mark.parametrize("dying", [True, False], ids=["dies", "fails"])
@pytest.mark.parametrize("after", [True, False], ids=["after", "before"])
async def test_a_step_may_stop_at_whatever_operation(
    storage: Storage, rig: LifeRig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, after: bool, dying: bool
) -> None:
    monkeypatch.setattr(retention, "PAGE", 2)
    monkeypatch.setattr(retention, "LOOKED_AT_A_STEP", 4)
    places = 0
    for number in range(100):
        made = await ended(rig, *ENDS * 2)
        waiting = await rig.fire("WAITS")
        clock.advance(4 * DAY)
        engine = Breaking(storage)
        breaking = hub_over(engine, clock, keeping=BY_STATE)
        engine.at, engine.after, engine.error = number, after, Died if dying else Unavailable
        with suppress(Died, Unavailable):
            for _ in range(4):
                await breaking.upkeep._retention.step()
        for _ in range(4 + number):
            await retention_of(rig).step()
        assert await left(rig, made) == {State.ERROR: 2, State.QUEUED: 1}, engine.names
        stored = await rig.stored(waiting.id)
        await rig.hub.context.events.delete(waiting.id, stored.etag)
        if not engine.hit:
            places = number
            break
    assert places >= 10, "the fault has been at every operation"


async def test_on_both_engines(either: LifeRig) -> None:
    """Old ids and a time to keep of a moment stand for days that nobody waits for."""
    pool = unique("KEEP")
    await either.configure(SinkType(name=pool))
    await either.event_type("A", sink_type=pool)
    long_ago = either.clock.now() - timedelta(days=400, minutes=int(pool.rpartition("-")[2]))
    made = []
    for number, state in enumerate(ENDS * 2):
        event = await either.fire("A", id=ids.new(long_ago, number << 20 | 7, 1))
        task = await either.one(sink_type=pool)
        await either.report(task, state)
        made.append(event.id)
    await asyncio.sleep(0.1)
    moment = 1e-3 / DAY
    for keeping, expected in (
        (Keeping(error=moment), {State.SUCCESS: 2, State.WARNING: 2}),
        (Keeping(success=moment, warning=900), {State.WARNING: 2}),
    ):
        for _ in range(2):
            await retention_of(either, keeping).step()
        assert await left(either, made) == expected
        noted = {each.partition: each for each in await either.hub.context.partitions.newest_first()}
        found = noted[partition_of(made[0])]
        assert found.kept_for == keeping.text
        assert (found.kept_until is None) is (keeping.warning is None)
    await retention_of(either, Keeping(warning=moment)).step()
    assert await left(either, made) == {}
    assert partition_of(made[0]) not in [each.partition for each in await either.hub.context.partitions.newest_first()]
