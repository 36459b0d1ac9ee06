"""Cron: five fields that say at which minutes of a wall clock something happens. A parser of our own. Pure.

::

    cron    = minute hour day-of-month month day-of-week     separated by spaces or tabs
    field   = part *("," part)
    part    = "*" [ "/" step ]  |  value [ "-" value [ "/" step ] ]
    value   = number  |  JAN … DEC in month  |  SUN … SAT in day-of-week     upper or lower case
    step    = 1 to the number of values the field has

Minute 0-59, hour 0-23, day of month 1-31, month 1-12, day of week 0-7, where 0 and 7 are Sunday. Where both day fields
are restricted, that is, neither begins with `*`, a day that fits either of them fits; else it must fit both. Nothing
else is cron here: no seconds, no years, no `@daily`, no `L`, `W`, `#` or `?`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from hub.errors import Invalid

_LONGEST: Final = {month: 29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31 for month in range(1, 13)}
_NUMBER: Final = re.compile(r"[0-9]{1,3}")
_DAY: Final = timedelta(days=1)
_MOST_SHOWN: Final = 40


@dataclass(frozen=True, slots=True)
class _Field:
    """One of the five: what it is called, which values it takes, and which names stand for some of them."""

    name: str
    first: int
    last: int
    values: int
    """How many different ones there are."""
    names: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        named = f" or {self.names[0]} to {self.names[-1]}" if self.names else ""
        return f"allowed are *, {self.first} to {self.last}{named}, ranges such as {self.first}-{self.first + 4}, " + (
            f"steps such as */{min(15, self.values // 2)} or {self.first}-{self.first + 4}/2, and lists of these "
            "with commas"
        )


_FIELDS: Final = (
    _Field("minute", 0, 59, 60),
    _Field("hour", 0, 23, 24),
    _Field("day of month", 1, 31, 31),
    _Field("month", 1, 12, 12, ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")),
    _Field("day of week", 0, 7, 7, ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """Which minutes of a wall clock are meant."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday."""
    either_day: bool
    """Both day fields are restricted: a day that fits one of them fits."""

    def fits(self, day: date) -> bool:
        """Whether this day is meant."""
        if day.month not in self.months:
            return False
        by_date, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_date or by_weekday if self.either_day else by_date and by_weekday

    def walls(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """The wall-clock times that are meant, later than `after` up to `until`, in order. All without a zone."""
        hour, minute = after.hour, after.minute + 1
        for day in self._days(after.date(), until.date()):
            if day != after.date():
                hour, minute = 0, 0
            for each in self.hours[bisect_left(self.hours, hour) :]:
                begin = bisect_left(self.minutes, minute) if each == hour else 0
                for at in self.minutes[begin:]:
                    wall = datetime.combine(day, time(each, at))
                    if wall > until:
                        return
                    yield wall

    def _days(self, day: date, last: date) -> Iterator[date]:
        while day <= last:
            if day.month not in self.months:
                day = date(day.year + day.month // 12, day.month % 12 + 1, 1)
                continue
            if self.fits(day):
                yield day
            day += _DAY


def parse(text: str) -> Cron:
    """The cron expression. Raises `Invalid`, saying which field is wrong and what is allowed in it."""
    fields = text.split()
    if len(fields) != len(_FIELDS):
        names = ", ".join(each.name for each in _FIELDS)
        raise Invalid(f"has {len(fields)} fields; a cron expression has five: {names}")
    minutes, hours, days, months, weekdays = (_values(field, said) for field, said in zip(_FIELDS, fields, strict=True))
    cron = Cron(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=frozenset(days),
        months=frozenset(months),
        weekdays=frozenset(each % 7 for each in weekdays),
        either_day=not (fields[2].startswith("*") or fields[4].startswith("*")),
    )
    if not cron.either_day and all(min(days) > _LONGEST[month] for month in months):
        raise Invalid("never fires: none of its months has such a day")
    return cron


def _values(field: _Field, said: str) -> set[int]:
    found: set[int] = set()
    for part in said.split(","):
        found.update(_part(field, part))
    return found


def _part(field: _Field, part: str) -> range:
    span, slash, step = part.partition("/")
    if span == "*":
        first, last = field.first, field.first + field.values - 1
    else:
        begin, dash, end = span.partition("-")
        first = last = _value(field, begin, part)
        if dash:
            last = _value(field, end, part)
            if end.upper() == "SUN" and first > 0:
                last = 7  # the week ends with it
        elif slash:
            raise _wrong(field, part, "a step stands behind * or a range")
        if first > last:
            raise _wrong(field, part, "a range ends at or behind where it begins")
    return range(first, last + 1, _step(field, step, part) if slash else 1)


def _value(field: _Field, said: str, part: str) -> int:
    if said.upper() in field.names:
        return field.names.index(said.upper()) + field.first
    if not _NUMBER.fullmatch(said) or not field.first <= int(said) <= field.last:
        raise _wrong(field, part)
    return int(said)


def _step(field: _Field, said: str, part: str) -> int:
    if not _NUMBER.fullmatch(said) or not 1 <= int(said) <= field.values:
        raise _wrong(field, part, f"a step is a number from 1 to {field.values}")
    return int(said)


def _wrong(field: _Field, part: str, why: str | None = None) -> Invalid:
    shown = part if len(part) <= _MOST_SHOWN else f"{part[:_MOST_SHOWN]}…"
    return Invalid(f"{field.name}: {shown!r} is not allowed{f': {why}' if why else ''}; {field.allowed}")
