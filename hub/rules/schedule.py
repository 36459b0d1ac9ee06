"""When a schedule fires: the minutes of a wall clock in a time zone, as moments in UTC. Pure.

There is one rule for the days on which clocks change: **a wall-clock time fires at the first moment at which the zone's
clock shows it or a later one.** So what the clock shows twice fires once, the first time; what it skips fires at the
next valid minute; and times that would fall on one moment by that fire once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from hub.model.configuration import CatchUp, ScheduleSource
from hub.rules import cron as crons
from hub.rules import zones
from hub.rules.cron import Cron

FARTHEST: Final = timedelta(days=5 * 366)
"""So far ahead a next fire is sought."""
LOOK_AHEAD: Final = timedelta(seconds=120)
"""Ticks are made so long before their time: one run of the timer may fail, and the next is early enough."""
ON_TIME: Final = timedelta(seconds=90)
"""A tick that is made at most so late is not a missed one: of a schedule that was put a moment before its tick, the
run of the timer that came first may have failed."""
MOST_AT_ONCE: Final = 1000
"""Ticks of one schedule that one run of the timer makes; the next goes on there."""
_WIDEST_SHIFT: Final = timedelta(hours=27)
"""More than any clock was ever set forward or back, the date line's moves included."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """The moments of a schedule: those of a cron expression on a zone's wall clock, or one."""

    zone: ZoneInfo
    cron: Cron | None
    at: datetime | None
    late_by: timedelta = timedelta(0)
    """Its part of the jitter, the same for every tick."""

    def ticks(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """The moments later than `after` up to `until`, in order, in UTC."""
        for _, at in self.intended(after, until):
            yield at

    def intended(self, after: datetime, until: datetime) -> Iterator[tuple[datetime | None, datetime]]:
        """The same, each with the wall-clock time that it is for; None: it is a moment of itself, once."""
        after, until = after - self.late_by, until - self.late_by
        if self.at is not None and after < self.at <= until:
            yield None, self.at.astimezone(UTC) + self.late_by
        if self.cron is None:
            return
        last = None
        # Whatever the clock has shown by `after`, or an earlier time than that, has had its moment.
        begin, end = (wall_of(each, self.zone) for each in (after, until + _WIDEST_SHIFT))
        for wall in self.cron.walls(begin, end):
            at = moment_of(wall, self.zone)
            if at > until:
                return
            if at > after and at != last:
                yield wall, at + self.late_by
            last = at

    def next(self, after: datetime) -> datetime | None:
        """The first moment later than `after`; None: there is none in the next five years."""
        return next(self.ticks(after, after + FARTHEST), None)


def timetable(source: ScheduleSource) -> Timetable:
    """The timetable of a schedule. Raises `Invalid` when cron or zone are not what they must be."""
    at = source.at
    if at is not None:
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)  # storage keeps milliseconds
    return _timetable(source.cron, source.timezone, at, jitter(source))


@lru_cache(maxsize=4096)
def _timetable(cron: str | None, zone: str, at: datetime | None, late_by: timedelta) -> Timetable:
    return Timetable(zones.zone(zone), None if cron is None else crons.parse(cron), at, late_by)


def jitter(source: ScheduleSource) -> timedelta:
    """How much later than its times the schedule fires: from 0 to `jitter_seconds`, always the same for its name."""
    digest = hashlib.sha256(source.name.casefold().encode()).digest()
    return timedelta(seconds=int.from_bytes(digest[:8], "big") % (source.jitter_seconds + 1))


def wall_of(at: datetime, zone: ZoneInfo) -> datetime:
    """What the zone's clock shows at this moment, without a zone."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def moment_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first moment, in UTC, at which the zone's clock shows this time or a later one, as a whole minute."""
    at = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if wall_of(at, zone) == wall:
        return at
    # The clock skips it. With the offset from before it would be after the change, with the one from after it before.
    change = zones.first_with_other_offset(zone, wall.replace(tzinfo=zone, fold=1).astimezone(UTC), at)
    return change + timedelta(seconds=-wall_of(change, zone).second % 60)


def due(table: Timetable, source: ScheduleSource, after: datetime, now: datetime) -> list[datetime]:
    """The ticks to make now: those of the next minutes, and of those that were missed since `after` what is caught up.

    `after`: everything up to it has been dealt with.
    """
    missed = now - ON_TIME
    window = now - max(timedelta(seconds=source.catch_up_window_seconds), ON_TIME)
    oldest, ahead = max(after, window), now + LOOK_AHEAD
    if source.catch_up is CatchUp.ALL:
        return list(islice(table.ticks(oldest, ahead), MOST_AT_ONCE))
    newest_missed: list[datetime] = []
    if source.catch_up is CatchUp.LAST:
        for tick in table.ticks(oldest, missed):
            newest_missed = [tick]
    return newest_missed + list(table.ticks(max(after, missed), ahead))
