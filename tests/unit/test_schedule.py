"""When schedules fire: the one rule for clock changes, over every zone there is; jitter; what is caught up."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import accumulate, islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import Invalid
from hub.model.configuration import CatchUp, ScheduleSource, SourceKind
from hub.rules import zones
from hub.rules.schedule import FARTHEST, LOOK_AHEAD, ON_TIME, due, jitter, moment_of, timetable, wall_of
from hub.storage.codec import text_of_time, time_of_text
from tests.unit.test_cron import expressions

BEGIN = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
TWO_YEARS = timedelta(days=2 * 365)
MINUTE = timedelta(minutes=1)


def schedule(cron: str | None = "* * * * *", **fields: Any) -> ScheduleSource:
    return ScheduleSource(**{"name": "s", "kind": SourceKind.SCHEDULE, "event_types": ("A",), "cron": cron, **fields})


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text + "+00:00")


def _ticks(source: ScheduleSource, after: str, until: str) -> list[str]:
    return [f"{tick:%d %H:%M}" for tick in timetable(source).ticks(_utc(after), _utc(until))]


# --- the rule for clock changes, by example (docs/schedules.md has the same table) ------------------------------------


@pytest.mark.parametrize(
    ("zone", "cron", "after", "until", "expected"),
    [
        # Berlin, 28 March 2027: at 01:00 UTC the clock goes from 02:00 to 03:00.
        ("Europe/Berlin", "30 2 * * *", "2027-03-27T00:00", "2027-03-29T12:00", ["27 01:30", "28 01:00", "29 00:30"]),
        ("Europe/Berlin", "0 3 * * *", "2027-03-27T12:00", "2027-03-28T12:00", ["28 01:00"]),
        ("Europe/Berlin", "*/30 * * * *", "2027-03-28T00:29", "2027-03-28T01:31", ["28 00:30", "28 01:00", "28 01:30"]),
        ("Europe/Berlin", "*/20 2 * * *", "2027-03-28T00:00", "2027-03-28T23:00", ["28 01:00"]),
        # Berlin, 25 October 2026: at 01:00 UTC the clock goes from 03:00 to 02:00.
        ("Europe/Berlin", "30 2 * * *", "2026-10-24T12:00", "2026-10-26T12:00", ["25 00:30", "26 01:30"]),
        ("Europe/Berlin", "0 3 * * *", "2026-10-24T12:00", "2026-10-25T12:00", ["25 02:00"]),
        ("Europe/Berlin", "*/30 * * * *", "2026-10-24T23:59", "2026-10-25T02:01", ["25 00:00", "25 00:30", "25 02:00"]),
        # Lord Howe changes by half an hour: 4 October 2026, 02:00 to 02:30, at 15:30 UTC on the 3rd.
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-03T00:00", "2026-10-04T23:00", ["03 15:30", "04 15:15"]),
        # Samoa left out 30 December 2011, from one midnight (10:00 UTC) to the next.
        ("Pacific/Apia", "0 6 * * *", "2011-12-29T00:00", "2011-12-30T23:00", ["29 16:00", "30 10:00", "30 16:00"]),
        # Cairo's day begins at 01:00 when the clock goes forward at midnight.
        ("Africa/Cairo", "0 0 * * *", "2027-04-28T00:00", "2027-05-01T00:00", ["28 22:00", "29 22:00", "30 21:00"]),
        ("UTC", "30 2 * * *", "2027-03-27T00:00", "2027-03-29T00:00", ["27 02:30", "28 02:30"]),
    ],
)  # fmt: skip
def test_what_occurs_twice_fires_once_and_what_is_skipped_at_the_next_valid_minute(
    zone: str, cron: str, after: str, until: str, expected: list[str]
) -> None:
    assert _ticks(schedule(cron, timezone=zone), after, until) == expected


# --- the same over every zone -----------------------------------------------------------------------------------------


def _changes(zone: ZoneInfo) -> list[datetime]:
    found: list[datetime] = []
    change = zones.next_change(zone, BEGIN, BEGIN + TWO_YEARS)
    while change is not None:
        found.append(change)
        change = zones.next_change(zone, change, BEGIN + TWO_YEARS)
    return found


def _by_rules() -> dict[tuple[tuple[datetime, timedelta | None], ...], list[str]]:
    """All zones that change their clock in the next two years; those that change alike together."""
    found: dict[tuple[tuple[datetime, timedelta | None], ...], list[str]] = {}
    for name in zones.names().values():
        zone = zones.zone(name)
        changes = tuple(
            (change, (change + shift).astimezone(zone).utcoffset())
            for change in _changes(zone)
            for shift in (-timedelta(seconds=1), timedelta(0))
        )
        if changes:
            found.setdefault(changes, []).append(name)
    return found


CHANGING = _by_rules()


def test_there_are_many_zones_that_change_their_clock() -> None:
    assert len(CHANGING) > 20
    assert sum(map(len, CHANGING.values())) > 150


@lru_cache(maxsize=256)
def _shown_by(name: str, change: datetime) -> tuple[list[datetime], list[datetime]]:
    """Each minute around a change, and the latest time that the zone's clock has shown by then."""
    minutes = [change + number * MINUTE for number in range(-50 * 60, 50 * 60)]
    return minutes, list(accumulate((wall_of(each, zones.zone(name)) for each in minutes), max))


def _first_shown(wall: datetime, name: str, change: datetime) -> datetime:
    """The first minute at which the zone's clock shows this time or a later one."""
    minutes, latest = _shown_by(name, change)
    assert latest[0] < wall < latest[-1]
    return minutes[bisect_left(latest, wall)]


@pytest.mark.parametrize("cron", ["30 2 * * *", "*/7 * * * *", "0 0,1,2,3,23 * * *", "59 1-3 * * SUN,MON"])
@pytest.mark.parametrize("names", CHANGING.values(), ids=lambda names: names[0])
def test_each_intended_wall_time_fires_exactly_once_in_every_zone(names: list[str], cron: str) -> None:
    """Intended, says another evaluator that knows no zones; when, says a clock that is looked at each minute."""
    zone = zones.zone(names[0])
    for change in _changes(zone):
        begin, end = change - timedelta(hours=30), change + timedelta(hours=30)
        first, last = wall_of(begin, zone), wall_of(end, zone)
        intended = []
        for wall in CronSim(cron, first):
            if wall > last:
                break
            intended.append(wall)
        expected = Counter({_first_shown(wall, names[0], change): 1 for wall in intended})
        for name in names:
            source = schedule(cron, timezone=name)
            assert Counter(timetable(source).ticks(begin, end)) == expected, f"{name} at {change}"


@given(expressions, st.sampled_from(sorted(zones.names().values())), st.integers(0, 730 * 1440), st.integers(1, 5000))
def test_ticks_go_forward_and_are_the_same_wherever_one_begins(cron: str, zone: str, begin: int, minutes: int) -> None:
    table = timetable(schedule(cron, timezone=zone))
    after, between = BEGIN + begin * MINUTE, BEGIN + (begin + minutes) * MINUTE
    until = between + timedelta(days=2)
    whole = list(table.ticks(after, until))
    assert whole == sorted(set(whole))
    assert all(after < tick <= until and not tick.second for tick in whole)
    assert whole == list(table.ticks(after, between)) + list(table.ticks(between, until))


@given(st.sampled_from(sorted(zones.names().values())), st.integers(0, 730 * 1440))
def test_no_moment_is_before_its_wall_time(zone_name: str, minute: int) -> None:
    zone = zones.zone(zone_name)
    wall = wall_of(BEGIN + minute * MINUTE, zone)
    moment = moment_of(wall, zone)
    assert wall_of(moment, zone) >= wall
    assert wall_of(moment - MINUTE, zone) < wall or moment_of(wall - MINUTE, zone) < moment


# --- once, jitter, far ahead ------------------------------------------------------------------------------------------


def test_one_shot() -> None:
    at = datetime.fromisoformat("2026-11-25T15:00:30+02:00")
    table = timetable(schedule(None, at=at))
    assert list(table.ticks(BEGIN, BEGIN + FARTHEST)) == [BEGIN + timedelta(hours=1, seconds=30)]
    assert table.next(BEGIN + timedelta(hours=2)) is None


def test_one_shot_is_a_time_that_storage_can_hold_or_it_would_be_due_again_and_again() -> None:
    table = timetable(schedule(None, at=BEGIN + timedelta(microseconds=123_456)))
    (tick,) = table.ticks(BEGIN, BEGIN + FARTHEST)
    assert tick == BEGIN + timedelta(microseconds=123_000)
    assert list(table.ticks(time_of_text(text_of_time(tick)), BEGIN + FARTHEST)) == []


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_one_shot_at_the_ends_of_time(at: str) -> None:
    assert timetable(schedule(None, at=at, jitter_seconds=3600)).next(BEGIN) is None


def test_jitter_is_stable_spreads_and_is_the_same_for_every_tick() -> None:
    source = schedule("0 * * * *", jitter_seconds=600, name="nightly")
    late = jitter(source)
    assert late == jitter(schedule("5 5 * * *", jitter_seconds=600, name="NIGHTLY"))
    ticks = list(timetable(source).ticks(BEGIN + late, BEGIN + late + timedelta(hours=3)))
    assert ticks == [BEGIN + late + timedelta(hours=hours) for hours in (1, 2, 3)]
    spread = [jitter(schedule(jitter_seconds=600, name=f"s{number}")) for number in range(200)]
    assert min(spread) < timedelta(seconds=30)
    assert max(spread) > timedelta(seconds=570)
    assert max(spread) <= timedelta(seconds=600)
    assert len(set(spread)) > 100
    assert jitter(schedule(jitter_seconds=0)) == timedelta(0)


def test_a_next_fire_is_sought_five_years_ahead() -> None:
    assert timetable(schedule("0 0 29 2 *")).next(BEGIN) == _utc("2028-02-29T00:00")
    assert timetable(schedule("0 0 29 2 */7")).next(BEGIN) is None  # 2032 is the next 29 February that is a Sunday


def test_unknown_zones_are_refused_with_what_may_have_been_meant() -> None:
    for name, hint in (
        ("europe/berlin", "did you mean Europe/Berlin?"),
        ("Europe/Berln", "did you mean Europe/Berlin?"),
        ("../../etc/passwd", "is no time zone of the IANA database"),
        ("", "such as Europe/Berlin or UTC"),
        ("posix/Europe/Berlin", "is no time zone"),
    ):
        with pytest.raises(Invalid, match=r"is no time zone") as refused:
            zones.zone(name)
        assert hint in str(refused.value)


def test_every_zone_can_be_read() -> None:
    assert all(zones.zone(name).key == name for name in zones.names().values())


# --- what is caught up ------------------------------------------------------------------------------------------------

NOW = BEGIN + timedelta(hours=1)


def _due(catch_up: CatchUp, cron: str = "*/10 * * * *", after: datetime = BEGIN, **fields: Any) -> list[str]:
    source = schedule(cron, catch_up=catch_up, **fields)
    return [f"{tick:%H:%M}" for tick in due(timetable(source), source, after, NOW)]


def test_what_was_missed_is_caught_up_as_the_schedule_says() -> None:
    assert _due(CatchUp.NONE) == ["13:00"]
    assert _due(CatchUp.LAST) == ["12:50", "13:00"]
    assert _due(CatchUp.ALL) == ["12:10", "12:20", "12:30", "12:40", "12:50", "13:00"]


def test_nothing_is_caught_up_that_is_later_than_the_window() -> None:
    assert _due(CatchUp.ALL, catch_up_window_seconds=1800) == ["12:40", "12:50", "13:00"]
    assert _due(CatchUp.LAST, "15 * * * *", catch_up_window_seconds=2700 - 1) == []
    assert _due(CatchUp.LAST, "15 * * * *", catch_up_window_seconds=2700 + 1) == ["12:15"]
    assert _due(CatchUp.ALL, catch_up_window_seconds=60) == ["13:00"]


def test_nothing_is_made_twice_and_all_that_comes_soon_is_made() -> None:
    for catch_up in CatchUp:
        assert _due(catch_up, "* * * * *", after=NOW) == ["13:01", "13:02"]
        assert _due(catch_up, "* * * * *", after=NOW + LOOK_AHEAD) == []


def test_a_minute_and_a_half_late_is_not_missed() -> None:
    for catch_up in CatchUp:
        source = schedule("59 * * * *", catch_up=catch_up)
        late = NOW - MINUTE + ON_TIME
        assert due(timetable(source), source, BEGIN, late - timedelta(seconds=1)) == [NOW - MINUTE]
        found = due(timetable(source), source, BEGIN, late + timedelta(seconds=1))
        assert found == ([] if catch_up is CatchUp.NONE else [NOW - MINUTE])


def test_a_long_past_is_caught_up_in_portions() -> None:
    source = schedule(catch_up=CatchUp.ALL, catch_up_window_seconds=604_800)
    table, after = timetable(source), NOW - timedelta(days=2)
    made: list[datetime] = []
    while some := due(table, source, after, NOW):
        assert len(some) <= 1000
        made += some
        after = some[-1]
    assert made == list(islice(table.ticks(NOW - timedelta(days=2), NOW + LOOK_AHEAD), 5000))
