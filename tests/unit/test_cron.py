"""The grammar of cron expressions, against a table and against another program that reads them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import islice

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import Invalid
from hub.rules import cron

NOON = datetime(2026, 11, 25, 12, 0)  # noqa: DTZ001 - a wall clock's time; a Wednesday
YEARS = timedelta(days=5 * 366)


def _next(expression: str, count: int = 3, after: datetime = NOON) -> list[str]:
    walls = cron.parse(expression).walls(after, after + YEARS)
    return [f"{wall:%a %Y-%m-%d %H:%M}" for wall in islice(walls, count)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("* * * * *", ["Wed 2026-11-25 12:01", "Wed 2026-11-25 12:02", "Wed 2026-11-25 12:03"]),
        ("*/20 * * * *", ["Wed 2026-11-25 12:20", "Wed 2026-11-25 12:40", "Wed 2026-11-25 13:00"]),
        ("5-15/5 12,23 * * *", ["Wed 2026-11-25 12:05", "Wed 2026-11-25 12:10", "Wed 2026-11-25 12:15"]),
        ("0 2 * * *", ["Thu 2026-11-26 02:00", "Fri 2026-11-27 02:00", "Sat 2026-11-28 02:00"]),
        ("59 23 31 12 *", ["Thu 2026-12-31 23:59", "Fri 2027-12-31 23:59", "Sun 2028-12-31 23:59"]),
        ("0 0 29 2 *", ["Tue 2028-02-29 00:00"]),
        ("0 0 31 * *", ["Thu 2026-12-31 00:00", "Sun 2027-01-31 00:00", "Wed 2027-03-31 00:00"]),
        ("0 9 * jan,Dec Mon-Fri", ["Tue 2026-12-01 09:00", "Wed 2026-12-02 09:00", "Thu 2026-12-03 09:00"]),
        ("0 0 * * 0", ["Sun 2026-11-29 00:00", "Sun 2026-12-06 00:00", "Sun 2026-12-13 00:00"]),
        ("0 0 * * 7", ["Sun 2026-11-29 00:00", "Sun 2026-12-06 00:00", "Sun 2026-12-13 00:00"]),
        ("0 0 * * FRI-SUN", ["Fri 2026-11-27 00:00", "Sat 2026-11-28 00:00", "Sun 2026-11-29 00:00"]),
        ("0 0 * * sun-mon", ["Sun 2026-11-29 00:00", "Mon 2026-11-30 00:00", "Sun 2026-12-06 00:00"]),
        # Both day fields restricted: either fits.
        ("0 0 13 * FRI", ["Fri 2026-11-27 00:00", "Fri 2026-12-04 00:00", "Fri 2026-12-11 00:00"]),
        ("0 0 1 * MON", ["Mon 2026-11-30 00:00", "Tue 2026-12-01 00:00", "Mon 2026-12-07 00:00"]),
        # One begins with *: both must fit.
        ("0 0 */2 * MON", ["Mon 2026-12-07 00:00", "Mon 2026-12-21 00:00", "Mon 2027-01-11 00:00"]),
        ("0 0 1-7 * */7", ["Sun 2026-12-06 00:00", "Sun 2027-01-03 00:00", "Sun 2027-02-07 00:00"]),
        ("\t0  0\t1 1 * ", ["Fri 2027-01-01 00:00", "Sat 2028-01-01 00:00", "Mon 2029-01-01 00:00"]),
    ],
)
def test_what_expressions_mean(expression: str, expected: list[str]) -> None:
    assert _next(expression, len(expected)) == expected


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "has 0 fields; a cron expression has five: minute, hour, day of month, month, day of week"),
        ("0 0 * *", "has 4 fields"),
        ("0 0 0 * * *", "has 6 fields"),
        ("@daily", "has 1 fields"),
        ("60 * * * *", "minute: '60' is not allowed; allowed are *, 0 to 59"),
        ("* 24 * * *", "hour: '24' is not allowed; allowed are *, 0 to 23"),
        ("* * 0 * *", "day of month: '0' is not allowed; allowed are *, 1 to 31"),
        ("* * * 13 *", "month: '13' is not allowed; allowed are *, 1 to 12 or JAN to DEC"),
        ("* * * MONDAY *", "month: 'MONDAY' is not allowed"),
        ("* * * * 8", "day of week: '8' is not allowed; allowed are *, 0 to 7 or SUN to SAT"),
        ("* * * * JAN", "day of week: 'JAN' is not allowed"),
        ("-1 * * * *", "minute: '-1' is not allowed"),
        ("+1 * * * *", "minute: '+1' is not allowed"),
        ("1.5 * * * *", "minute: '1.5' is not allowed"),
        ("٣ * * * *", "minute: '٣' is not allowed"),
        ("1, * * * *", "minute: '' is not allowed"),
        ("1-2-3 * * * *", "minute: '1-2-3' is not allowed"),
        ("20-10 * * * *", "minute: '20-10' is not allowed: a range ends at or behind where it begins"),
        ("0 0 * * FRI-MON", "day of week: 'FRI-MON' is not allowed: a range ends at or behind where it begins"),
        ("5/10 * * * *", "minute: '5/10' is not allowed: a step stands behind * or a range"),
        ("*/0 * * * *", "minute: '*/0' is not allowed: a step is a number from 1 to 60"),
        ("* */25 * * *", "hour: '*/25' is not allowed: a step is a number from 1 to 24"),
        ("*/ * * * *", "minute: '*/' is not allowed: a step is a number from 1 to 60"),
        ("** * * * *", "minute: '**' is not allowed"),
        ("? * * * *", "minute: '?' is not allowed"),
        ("0 0 L * *", "day of month: 'L' is not allowed"),
        ("0 0 * * MON#1", "day of week: 'MON#1' is not allowed"),
        (f"{'9' * 150} * * * *", f"minute: '{'9' * 40}…' is not allowed"),
        ("0 0 30 2 *", "never fires: none of its months has such a day"),
        ("0 0 31 2,4,6,9,11 *", "never fires: none of its months has such a day"),
    ],
)
def test_what_is_refused_and_what_is_said(expression: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        cron.parse(expression)
    assert str(refused.value).startswith(message)


def test_a_day_that_only_its_weekday_names_makes_an_impossible_date_possible() -> None:
    assert _next("0 0 30 2 MON", 1) == ["Mon 2027-02-01 00:00"]


def test_the_last_moment_counts_and_the_first_does_not() -> None:
    quarter = cron.parse("*/15 * * * *")
    begin = NOON + timedelta(minutes=15)
    assert list(quarter.walls(begin, begin + timedelta(minutes=15))) == [begin + timedelta(minutes=15)]
    assert next(quarter.walls(begin - timedelta(seconds=1), begin)) == begin


def test_times_that_are_years_apart_are_found_without_going_through_the_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at = []
    fits = cron.Cron.fits

    def noted(self: cron.Cron, day: date) -> bool:
        looked_at.append(day)
        return fits(self, day)

    monkeypatch.setattr(cron.Cron, "fits", noted)
    assert _next("0 0 29 2 *", 1) == ["Tue 2028-02-29 00:00"]
    assert len(looked_at) == 28 + 29  # the days of two Februaries


def _field(first: int, last: int, steps: int) -> st.SearchStrategy[str]:
    number = st.integers(first, last)
    span = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    step = st.integers(1, steps)
    part = st.one_of(
        st.just("*"),
        number.map(str),
        span,
        st.tuples(st.just("*"), step).map(lambda pair: f"{pair[0]}/{pair[1]}"),
        st.tuples(
            st.tuples(number, number).filter(lambda pair: pair[0] != pair[1]).map(lambda p: f"{min(p)}-{max(p)}"), step
        ).map(lambda pair: f"{pair[0]}/{pair[1]}"),
    )
    return st.lists(part, min_size=1, max_size=3).map(",".join)


expressions = st.tuples(
    _field(0, 59, 60), _field(0, 23, 24), _field(1, 28, 31), _field(1, 12, 12), _field(0, 7, 7)
).map(" ".join)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1))  # noqa: DTZ001


@given(expressions, moments)
def test_it_means_what_another_evaluator_says(expression: str, after: datetime) -> None:
    after = after.replace(microsecond=0)
    ours = list(islice(cron.parse(expression).walls(after, after + 2 * YEARS), 20))
    theirs = list(islice(CronSim(expression, after), 20))
    assert ours == [each for each in theirs if each <= after + 2 * YEARS]
