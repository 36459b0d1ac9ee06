"""When a timer is due: NCRONTAB expressions, in the app's time zone.

Six fields, `second minute hour day month weekday`, or five with second 0. Day and weekday must both match, unlike in
Unix cron. Weekdays are 0 (Sunday) to 6, or names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter  # type: ignore[import-untyped]

ZONE_SETTINGS = ("WEBSITE_TIME_ZONE", "TZ")

_NUMBERS = "[0-9]+"
_MONTHS = "[0-9]+|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_WEEKDAYS = "[0-6]|sun|mon|tue|wed|thu|fri|sat"
# Each field's name, and what a value in it looks like.
_FIELDS = {
    "second": _NUMBERS,
    "minute": _NUMBERS,
    "hour": _NUMBERS,
    "day": _NUMBERS,
    "month": _MONTHS,
    "weekday": _WEEKDAYS,
}
_HINTS = {"weekday": ": it goes from 0 (Sunday) to 6, or Sun to Sat", "month": ": it goes from 1 to 12, or Jan to Dec"}
_HOUR = 2


@dataclass(frozen=True, slots=True)
class Schedule:
    """The moments of one expression in one time zone."""

    expression: str
    zone: tzinfo

    def next(self, after: datetime) -> datetime:
        """The first moment later than `after`; both aware, the answer in UTC.

        When clocks are set back, a fixed hour runs once, and an interval goes on as if nothing had happened.
        """
        local = after.astimezone(self.zone)
        if self._is_interval:
            offset = local.utcoffset() or timedelta(0)
            return (self._next_local(local.replace(tzinfo=None)) - offset).replace(tzinfo=UTC)
        candidate = local.replace(tzinfo=None)
        while True:
            candidate = self._next_local(candidate)
            moment = candidate.replace(tzinfo=self.zone).astimezone(UTC)
            if moment > after:
                return moment

    def upcoming(self, after: datetime, count: int) -> list[datetime]:
        """The next `count` moments."""
        moments = [after]
        for _ in range(count):
            moments.append(self.next(moments[-1]))
        return moments[1:]

    @property
    def _is_interval(self) -> bool:
        return any(sign in self.expression.split()[_HOUR] for sign in "*/")

    def _next_local(self, local: datetime) -> datetime:
        iterator = croniter(self.expression, local, ret_type=datetime, day_or=False, second_at_beginning=True)
        found = iterator.get_next(datetime)
        assert isinstance(found, datetime)
        return found


def parse_schedule(text: str, zone: tzinfo = UTC) -> Schedule:
    """Read an expression; raises ValueError, saying which field is wrong, for what NCRONTAB does not have.

    A time span `hh:mm:ss` is refused: Azure takes it on dedicated plans only.
    """
    fields = text.split()
    if len(fields) == 1 and ":" in text:
        raise ValueError(f"`{text}` is a time span, which works on no serverless plan: write an NCRONTAB expression")
    if len(fields) == len(_FIELDS) - 1:
        fields = ["0", *fields]
    if len(fields) != len(_FIELDS):
        raise ValueError(f"`{text}` must have six fields, {' '.join(_FIELDS)}, or five without the second")
    for (name, value), field in zip(_FIELDS.items(), fields, strict=True):
        if not re.fullmatch(rf"(?:{_part(value)})(?:,(?:{_part(value)}))*", field, re.IGNORECASE):
            raise ValueError(f"the {name} `{field}` of `{text}` is not valid{_HINTS.get(name, '')}")
    schedule = Schedule(" ".join(fields), zone)
    try:
        schedule.next(datetime(2024, 1, 1, tzinfo=UTC))
    except ValueError as error:
        raise ValueError(f"`{text}` is not valid: {error}") from error
    return schedule


def _part(value: str) -> str:
    """One item of a field's list: all, a value, a range, each with a step or without."""
    return rf"(?:\*|(?:{value})(?:-(?:{value}))?)(?:/[0-9]+)?"


def is_too_frequent(schedule: Schedule, now: datetime) -> bool:
    """Whether it is due more than once within a minute: then the host keeps no status of it."""
    return schedule.upcoming(now, 2)[1] < now + timedelta(minutes=1)


def zone_from(settings: Mapping[str, str]) -> tzinfo:
    """The time zone of the app's timers: UTC, as on Azure, unless a setting names another; ValueError if unknown."""
    name = next((settings[each] for each in ZONE_SETTINGS if settings.get(each)), "UTC")
    try:
        return ZoneInfo(name.removeprefix(":"))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"`{name}` is not a time zone that this system knows") from error
