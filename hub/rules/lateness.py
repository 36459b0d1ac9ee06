"""When what a schedule fires is late: its ticks were not made, or their events wait. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Final, Protocol

from hub.model.configuration import Overlap, ScheduleSource
from hub.model.event import State
from hub.model.snapshot import Snapshot
from hub.rules.schedule import timetable
from hub.rules.waiting import Waiting, paused

LATE: Final = timedelta(minutes=5)
MOST_COUNTED: Final = 1000


class Lateness(StrEnum):
    """What is late."""

    NOT_MADE = "NOT_MADE"
    """The time of a tick has passed and no hub had made its events: it was away, or its timer stood still."""
    NOT_STARTED = "NOT_STARTED"
    """The event of a tick is there, and no sink has taken it."""


@dataclass(frozen=True, slots=True)
class Late:
    """What is late of one schedule."""

    source: ScheduleSource
    what: Lateness
    tick: datetime
    """The first that is."""
    count: int
    """How many ticks, or events, are, the first included."""
    event_id: str | None = None


def missed(source: ScheduleSource, first: datetime, now: datetime) -> Late | None:
    """Whether ticks were not made in time. `first`: the first tick after the last that was made."""
    if first > now - LATE:
        return None
    after = first - timedelta(milliseconds=1)
    count = sum(1 for _ in islice(timetable(source).ticks(after, now - LATE), MOST_COUNTED))
    return Late(source, Lateness.NOT_MADE, first, count)


class Scheduled(Waiting, Protocol):
    """What of an event that waits tells which schedule made it."""

    @property
    def source(self) -> str | None: ...
    @property
    def schedule(self) -> str | None: ...


@dataclass(slots=True)
class LateEvents:
    """Collects events of schedules that no sink has taken in time, while all open events are looked through."""

    snapshot: Snapshot
    now: datetime
    by_schedule: dict[str, Late] = field(default_factory=dict)

    def look_at(self, events: Iterable[Scheduled]) -> None:
        """Look at some of the open events."""
        for event in events:
            if event.schedule is not None and event.source is not None and self._is_late(event):
                self._add(event, event.source)

    def _is_late(self, event: Scheduled) -> bool:
        if event.state is not State.QUEUED or event.attempt or event.silent or event.not_before is None:
            return False
        # What was made late has been told of as such: here only what it has waited since counts.
        due = max(event.not_before, event.created_at)
        return due <= self.now - LATE and not paused(event, self.snapshot, self.now)

    def _add(self, event: Scheduled, name: str) -> None:
        source = self.snapshot.source(name)
        if not isinstance(source, ScheduleSource) or source.overlap is Overlap.QUEUE:
            return  # gone; or it waits for the event before, as it is meant to
        assert event.not_before is not None
        known = self.by_schedule.get(name.casefold())
        late = Late(source, Lateness.NOT_STARTED, event.not_before, 1, event.id)
        if known is not None:
            first = late if late.tick < known.tick else known
            late = Late(source, Lateness.NOT_STARTED, first.tick, known.count + 1, first.event_id)
        self.by_schedule[name.casefold()] = late
