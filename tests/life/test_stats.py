"""Statistics: counted where it happens, written once a minute, rolled once an hour, lost by nobody but a crash."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from hub.errors import Changed, Missing, Unavailable
from hub.model.stats import Stats
from hub.rules.adding_up import added
from hub.rules.histogram import percentile
from hub.storage.embedded import open_embedded
from hub.storage.keys import STATS
from hub.storage.ports import Storage
from hub.storage.stats_rows import StatsRows
from hub.upkeep.stats import StatsBook
from hub.wire import ResultState
from tests.contract.rig import ManualClock
from tests.life.rig import SINK, LifeRig, open_rig

HOUR = timedelta(hours=1)


async def counted(rig: LifeRig, since: timedelta = 2 * HOUR) -> Stats:
    """Everything counted so far, once it is written down."""
    rig_clock(rig).advance(60)
    await rig.hub.stats.write()
    now = rig.clock.now()
    return added(each.stats for each in await rig.hub.stats.read(now - since, now + HOUR))


def rig_clock(rig: LifeRig) -> ManualClock:
    assert isinstance(rig.clock, ManualClock)
    return rig.clock


async def test_an_event_is_counted_by_what_it_was_and_how_it_ended(rig: LifeRig) -> None:
    await rig.event_type("A", retry={"max_attempts": 2, "backoff_seconds": 0, "jitter": 0})
    await rig.fire("A")
    rig_clock(rig).advance(3)
    task = await rig.one()
    rig_clock(rig).advance(2)
    await rig.report(task, ResultState.ERROR, code="BROKEN")
    await rig.report(await rig.one(), ResultState.ERROR, code="BROKEN")

    stats = await counted(rig)

    assert (stats.types, stats.sources) == ({"A": 1}, {"|MANUAL": 1})
    assert (stats.states, stats.type_states) == ({"ERROR": 1}, {"A|ERROR": 1})
    assert stats.sink_states == {f"{SINK}|ERROR": 1}
    assert (stats.codes, stats.outcomes) == ({"BROKEN": 1}, {"ERROR": 2})
    assert sum(stats.waits.values()) == sum(stats.runs.values()) == 2
    assert percentile(stats.waits, 1) == pytest.approx(3, rel=0.13)
    assert percentile(stats.runs, 1) == pytest.approx(2, rel=0.13)
    assert stats.operations["table.insert"] >= 1


async def test_a_repeated_report_or_creation_is_counted_once(rig: LifeRig) -> None:
    await rig.event_type("A")
    event = await rig.fire("A")
    await rig.fire("A", id=event.id)
    task = await rig.one()
    for _ in range(3):
        await rig.report(task)

    stats = await counted(rig)

    assert (stats.types, stats.states, stats.outcomes) == ({"A": 1}, {"SUCCESS": 1}, {"SUCCESS": 1})


async def test_ends_without_a_report_are_counted_too(rig: LifeRig) -> None:
    await rig.event_type("LOSES", retry={"max_lost": 0})
    await rig.fire("LOSES")
    await rig.one()
    await rig.event_type("WAITS", queue_timeout_seconds=60)
    await rig.fire("WAITS")
    cancelled = await rig.fire("LOSES")
    await rig.hub.canceller.cancel(cancelled.id)
    for _ in range(4):
        rig_clock(rig).advance(61)
        await rig.hub.upkeep.tick()

    stats = await counted(rig)

    assert stats.codes == {"QUEUE_TIMEOUT": 1, "LOST": 1, "CANCELLED": 1}
    assert stats.states == {"ERROR": 3}


async def test_a_lost_attempt_is_counted_when_another_sink_takes_over(rig: LifeRig) -> None:
    await rig.event_type("A")
    await rig.fire("A")
    await rig.one()
    rig_clock(rig).advance(50)
    assert await rig.poll(seconds=0.2) == (), "seen expired once"
    rig_clock(rig).advance(50)
    await rig.report(await rig.one())

    stats = await counted(rig)

    assert (stats.outcomes, stats.states) == ({"LOST": 1, "SUCCESS": 1}, {"SUCCESS": 1})


async def test_the_current_minute_is_kept_and_idle_minutes_write_nothing(rig: LifeRig) -> None:
    await rig.event_type("A")
    await rig.fire("A")
    before = rig.hub.storage.operations.by_kind()
    await rig.hub.stats.write()
    assert rig.hub.storage.operations.by_kind() == before
    rig_clock(rig).advance(60)
    await rig.hub.stats.write()
    rig_clock(rig).advance(600)
    await rig.hub.stats.write()
    assert rig.hub.storage.operations.by_kind() - before == {"table.put": 1}


class _Refusing(StatsRows):
    """Storage that does not answer, or answers late."""

    takes_effect = False

    async def write(self, minute: int, process: str, stats: Stats) -> None:
        if self.takes_effect:
            await super().write(minute, process, stats)
        raise Unavailable


@pytest.mark.parametrize("takes_effect", [False, True])
async def test_what_storage_does_not_take_is_written_later_and_counted_once(rig: LifeRig, takes_effect: bool) -> None:
    await rig.event_type("A")
    await rig.fire("A")
    rig_clock(rig).advance(60)
    refusing = _Refusing(rig.hub.storage.tables)
    refusing.takes_effect = takes_effect
    book = StatsBook(refusing, rig.hub.context.news.tally, rig.clock)
    await book.write()

    assert (await counted(rig)).types == {"A": 1}


# --- rolling

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
async def storage(clock: ManualClock) -> Storage:
    storage = open_embedded(None, clock)
    await storage.prepare()
    return storage


def minute_of(at: datetime) -> int:
    return int(at.timestamp()) // 60


async def total(rows: StatsRows, day: datetime) -> Mapping[str, int]:
    return added(each.stats for each in await rows.read(day)).types


async def test_an_hour_is_rolled_into_one_row_that_holds_the_same(storage: Storage) -> None:
    rows = StatsRows(storage.tables)
    for number in range(250):
        at = NOON + timedelta(minutes=number % 60)
        await rows.write(minute_of(at), f"p{number}", Stats(types={"A": 1}, waits={number % 7: 1}))
    await rows.write(minute_of(NOON + HOUR), "p", Stats(types={"A": 1}))

    assert await rows.roll(NOON, before=NOON + HOUR) == 250

    stretches = await rows.read(NOON)
    assert [each.begin for each in stretches] == [NOON, NOON + HOUR]
    assert await total(rows, NOON) == {"A": 251}
    assert sum(stretches[0].stats.waits.values()) == 250
    assert await rows.roll(NOON, before=NOON + HOUR) == 0


async def test_a_minute_that_comes_late_is_added_to_its_hour(storage: Storage) -> None:
    rows = StatsRows(storage.tables)
    await rows.write(minute_of(NOON), "p", Stats(types={"A": 1}))
    await rows.roll(NOON, before=NOON + HOUR)
    await rows.write(minute_of(NOON) + 5, "late", Stats(types={"A": 2}))

    await rows.roll(NOON, before=NOON + HOUR)

    (stretch,) = await rows.read(NOON)
    assert stretch.stats.types == {"A": 3}


async def test_two_that_roll_at_once_count_nothing_twice(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second has read the minutes before the first rolled them."""
    rows, other = StatsRows(storage.tables), StatsRows(storage.tables)
    for number in range(5):
        await rows.write(minute_of(NOON) + number, "p", Stats(types={"A": 1}))
    read = StatsRows._find

    async def find_after_the_other(self: StatsRows, partition: str, key: str) -> object:
        if self is rows:
            await other.roll(NOON, before=NOON + HOUR)
        return await read(self, partition, key)

    monkeypatch.setattr(StatsRows, "_find", find_after_the_other)
    with pytest.raises((Changed, Missing)):
        await rows.roll(NOON, before=NOON + HOUR)
    assert await total(rows, NOON) == {"A": 5}


async def test_the_timer_rolls_once_an_hour(clock: ManualClock) -> None:
    async with open_rig(open_embedded(None, clock), clock) as rig:
        await rig.event_type("A")
        await rig.fire("A")
        clock.advance(60)
        await rig.hub.stats.write()
        clock.advance(3 * 3600)
        before = rig.hub.storage.operations.by_kind()
        for _ in range(30):
            await rig.hub.stats.roll()
            clock.advance(1)
        spent = rig.hub.storage.operations.by_kind() - before
        assert spent["table.transact"] == 1
        assert spent["table.query"] <= 4
        rows = await rig.hub.storage.tables.query(STATS, f"{clock.now() - 3 * HOUR:%Y-%m-%d}")
        assert [row.key[0] for row in rows] == ["h"]
