"""NCRONTAB: when a timer is due."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from hosting.schedules import is_too_frequent, parse_schedule, zone_from

NEW_YORK = ZoneInfo("America/New_York")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "after", "moments"),
    [
        ("0 * * * * *", "2026-01-01T00:00:00", ["2026-01-01T00:01:00", "2026-01-01T00:02:00"]),
        ("* * * * *", "2026-01-01T00:00:30", ["2026-01-01T00:01:00"]),
        ("30 */5 * * * *", "2026-01-01T00:00:31", ["2026-01-01T00:05:30"]),
        ("0 0 2 * * *", "2026-01-01T02:00:00", ["2026-01-02T02:00:00"]),
        # Day AND weekday: the first of a month that is a Monday.
        ("0 0 0 1 * 1", "2026-01-01T00:00:00", ["2026-06-01T00:00:00"]),
        ("0 0 0 13 * Fri", "2026-01-01T00:00:00", ["2026-02-13T00:00:00", "2026-03-13T00:00:00"]),
        ("0 0 0 * * 0", "2026-01-01T00:00:00", ["2026-01-04T00:00:00"]),
        ("0 0 9-10 * Jan Mon-Tue", "2026-01-05T09:30:00", ["2026-01-05T10:00:00", "2026-01-06T09:00:00"]),
        ("0 0 0 29 2 *", "2026-01-01T00:00:00", ["2028-02-29T00:00:00"]),
    ],
)
def test_the_next_moments(expression: str, after: str, moments: list[str]) -> None:
    assert parse_schedule(expression).upcoming(at(after), len(moments)) == [at(each) for each in moments]


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("00:05:00", "time span"),
        ("* * *", "six fields"),
        ("* * * * * * *", "six fields"),
        ("@daily", "six fields"),
        ("61 * * * * *", "not valid"),
        ("0 0 0 31 2 *", "not valid"),
        ("0 x * * * *", "minute `x`"),
        ("0 0 0 L * *", "day `L`"),
        ("0 0 0 ? * *", "day `\\?`"),
        ("0 0 0 * * 7", "weekday `7`.*0 .Sunday. to 6"),
        ("0 0 0 * * 5-7", "weekday `5-7`"),
        ("0 0 0 * * 1#2", "weekday"),
        ("R * * * * *", "second"),
    ],
)
def test_what_ncrontab_does_not_have_is_refused(expression: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_schedule(expression)


def test_when_clocks_are_set_back_a_fixed_hour_runs_once_and_an_interval_goes_on() -> None:
    fixed = parse_schedule("0 30 1 * * *", NEW_YORK)
    assert fixed.upcoming(at("2026-10-31T12:00:00"), 2) == [at("2026-11-01T05:30:00"), at("2026-11-02T06:30:00")]
    interval = parse_schedule("0 */30 * * * *", NEW_YORK)
    assert interval.upcoming(at("2026-11-01T05:15:00"), 3) == [
        at("2026-11-01T05:30:00"),
        at("2026-11-01T06:00:00"),
        at("2026-11-01T06:30:00"),
    ]


def test_when_clocks_are_set_forward_a_skipped_hour_still_runs_once() -> None:
    fixed = parse_schedule("0 30 2 * * *", NEW_YORK)
    moments = fixed.upcoming(at("2026-03-07T12:00:00"), 2)
    assert moments == [at("2026-03-08T07:30:00"), at("2026-03-09T06:30:00")]


@pytest.mark.parametrize(
    ("expression", "frequent"),
    [("0 * * * * *", False), ("*/30 * * * * *", True), ("0,59 * * * * *", True), ("0 0 * * * *", False)],
)
def test_more_than_once_a_minute_is_too_frequent_to_be_monitored(expression: str, frequent: bool) -> None:
    assert is_too_frequent(parse_schedule(expression), at("2026-01-01T00:00:30.5")) is frequent


def test_timers_are_in_utc_unless_a_setting_names_a_zone() -> None:
    assert zone_from({}) == ZoneInfo("UTC")
    assert zone_from({"TZ": "Europe/Berlin"}) == ZoneInfo("Europe/Berlin")
    assert zone_from({"TZ": "Europe/Berlin", "WEBSITE_TIME_ZONE": "America/New_York"}) == NEW_YORK
    with pytest.raises(ValueError, match="Mars/Base"):
        zone_from({"TZ": "Mars/Base"})
