"""Preview: when a schedule will fire, also around the days on which its clock is changed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from hub.model.configuration import ScheduleSource
from hub.model.standing import Standing
from hub.rules import zones
from hub.rules.schedule import FARTHEST, Timetable, timetable, wall_of
from hub.rules.standing import fires_after
from hub.rules.waiting import in_force

CHANGES: Final = 2
"""Clock changes whose surroundings are shown."""
CHANGES_WITHIN: Final = timedelta(days=2 * 366)
AROUND: Final = timedelta(days=1)
AFFECTED_SHOWN: Final = 3
"""Of the fires that one change moves or makes unique."""


@dataclass(frozen=True, slots=True)
class Fire:
    """One time at which the schedule fires."""

    at: datetime
    local: datetime
    """The same on the clock of its zone."""
    note: str | None = None


def preview(source: ScheduleSource, standing: Standing | None, now: datetime, count: int) -> list[Fire]:
    """The next `count` fires and those around the next two clock changes, in order."""
    table = timetable(source)
    after = now if standing is None else max(now, fires_after(standing, source.pause, now))
    chosen = dict(_noted(table, islice(table.intended(after, after + FARTHEST), count)))
    for change in islice(_changes(table.zone, now), CHANGES):
        chosen |= _around(table, change, after)
    return [Fire(at, at.astimezone(table.zone), _both(_not_fired(source, at), chosen[at])) for at in sorted(chosen)]


def _changes(zone: ZoneInfo, now: datetime) -> Iterator[datetime]:
    change = zones.next_change(zone, now, now + CHANGES_WITHIN)
    while change is not None:
        yield change
        change = zones.next_change(zone, change, now + CHANGES_WITHIN)


def _around(table: Timetable, change: datetime, after: datetime) -> dict[datetime, str | None]:
    """The fires that a change of the clock touches, the last before and the first after them."""
    near = list(_noted(table, table.intended(max(after, change - AROUND), change + AROUND)))
    touched = [index for index, (_, note) in enumerate(near) if note is not None]
    if not touched:
        before = [each for each in near if each[0] < change][-1:]
        return dict(before + [each for each in near if each[0] >= change][:1])
    first, last = touched[0], touched[-1]
    return dict(near[max(0, first - 1) : first] + near[first : last + 1][:AFFECTED_SHOWN] + near[last + 1 : last + 2])


def _noted(
    table: Timetable, ticks: Iterable[tuple[datetime | None, datetime]]
) -> Iterator[tuple[datetime, str | None]]:
    for wall, at in ticks:
        yield at, None if wall is None else _note(wall, at - table.late_by, table.zone)


def _note(wall: datetime, at: datetime, zone: ZoneInfo) -> str | None:
    shown = wall_of(at, zone)
    if shown != wall:
        return f"clocks go forward: {_time(wall)} is skipped, fires at {_time(shown)}"
    if wall.replace(tzinfo=zone, fold=0).utcoffset() != wall.replace(tzinfo=zone, fold=1).utcoffset():
        return f"clocks go back: {_time(wall)} occurs twice, fires once, the first time"
    return None


def _time(wall: datetime) -> str:
    return f"{wall:%H:%M}"


def _not_fired(source: ScheduleSource, at: datetime) -> str | None:
    if not source.enabled:
        return "not fired: the source is disabled"
    return "not fired: the source is paused" if in_force(source.pause, at) else None


def _both(*notes: str | None) -> str | None:
    return "; ".join(note for note in notes if note is not None) or None
