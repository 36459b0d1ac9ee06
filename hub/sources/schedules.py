"""Schedules: once a minute, the events of all ticks up to two minutes ahead, each with an id that its tick gives.

Any number of processes may do it at once, and each may die at any line: the same tick always makes the same event, and
how far a schedule has come is written only after its events are durable. When a tick was made it stays hidden until its
time, so the timer need not be on time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hub.batches import batches
from hub.concurrency import together
from hub.errors import Invalid, NexomaticError
from hub.life.alerts import Alerts
from hub.life.context import LifeContext
from hub.life.create import Creator, NewEvent
from hub.model.configuration import ScheduleSource, SourceKind
from hub.model.event import Event
from hub.model.snapshot import Snapshot
from hub.model.standing import Standing
from hub.rules import ids, strict_json
from hub.rules.alerts import Alert, receiver
from hub.rules.lateness import Late, missed
from hub.rules.schedule import LOOK_AHEAD, ON_TIME, due, timetable
from hub.rules.standing import fires_after
from hub.rules.waiting import in_force
from hub.storage.schedule_rows import Progress, Rows, ScheduleRows

log = logging.getLogger(__name__)

AT_ONCE: Final = 16
"""Schedules whose events are made side by side."""
TOGETHER: Final = 96
"""Schedules after which it is written how far they have come."""
STEP_SECONDS: Final = 20.0
"""A step begins no more after so many, and the next goes on: one run of the timer is bounded whatever is caught up."""


@dataclass(frozen=True, slots=True)
class _Firing:
    """A schedule that fires."""

    source: ScheduleSource
    definition: str
    after: datetime
    """All up to then has been dealt with."""
    first: datetime | None
    """Its first tick after that."""
    before: Progress | None
    """The last tick made, perhaps under an earlier definition."""


@dataclass(frozen=True, slots=True)
class _Due:
    """A schedule with ticks to make."""

    source: ScheduleSource
    definition: str
    ticks: Sequence[datetime]
    before: Progress | None
    """The last tick made, perhaps under an earlier definition."""

    @property
    def name(self) -> str:
        return self.source.name.casefold()


class Schedules:
    """Makes the events of schedules. One per process."""

    def __init__(self, context: LifeContext, creator: Creator, rows: ScheduleRows, alerts: Alerts) -> None:
        self._life = context
        self._creator = creator
        self._alerts = alerts
        self._rows = rows
        self._next: dict[str, tuple[str, datetime, datetime | None]] = {}
        """By name: a definition, a time, and the first tick after it. Only saves computing; nothing is lost with it."""

    async def step(self) -> int:
        """Make what is due; how many ticks. Two reads when nothing is, however many schedules there are up to 1000."""
        if not (await self._life.configuration()).schedules:
            return 0
        # First the rows, then the configuration: no row can be of a definition that the configuration does not know.
        rows = await self._rows.all()
        snapshot, now = await self._life.newest(), self._life.now()
        await self._rows.remove([name for name in rows if snapshot.standing(name) is None], rows)
        await self._tell(snapshot, rows, now)
        some = [each for name in snapshot.schedules if (each := self._due(name, snapshot, rows, now)) is not None]
        # What was missed comes after what is on time: there may be much of it.
        some.sort(key=lambda each: each.ticks[0] < now - ON_TIME)
        return await self._make_all(some, snapshot, rows)

    async def _tell(self, snapshot: Snapshot, rows: Rows, now: datetime) -> None:
        """Tell of ticks whose time passed before anybody made them, if somebody wants to be told."""
        if receiver(Alert.SCHEDULE_LATE, snapshot) is None:
            return
        late = [each for name in snapshot.schedules if (each := self._late(name, snapshot, rows, now)) is not None]
        try:
            await self._alerts.schedules_late(late, snapshot)
        except NexomaticError as error:
            # What is late must not wait for that.
            log.warning("%d schedules are late, and nobody could be told: %s", len(late), error)

    def _late(self, name: str, snapshot: Snapshot, rows: Rows, now: datetime) -> Late | None:
        firing = self._firing(name, snapshot, rows, now)
        if firing is None or firing.first is None:
            return None
        return missed(firing.source, firing.first, now)

    def _due(self, name: str, snapshot: Snapshot, rows: Rows, now: datetime) -> _Due | None:
        firing = self._firing(name, snapshot, rows, now)
        if firing is None or firing.first is None or firing.first > now + LOOK_AHEAD:
            return None
        ticks = due(timetable(firing.source), firing.source, firing.after, now)
        return _Due(firing.source, firing.definition, ticks, firing.before) if ticks else None

    def _firing(self, name: str, snapshot: Snapshot, rows: Rows, now: datetime) -> _Firing | None:
        """How a schedule stands; None: it fires nothing today."""
        source, standing = snapshot.source(name), snapshot.standing(name)
        if not isinstance(source, ScheduleSource) or standing is None:
            return None
        if not source.enabled or in_force(source.pause, now):
            return None
        before = rows[name].progress if name in rows else None
        after = fires_after(standing, source.pause, now)
        if before is not None and before.definition == standing.definition:
            after = max(after, before.tick)
        try:
            return _Firing(source, standing.definition, after, self._first(source, standing, after), before)
        except Invalid as error:  # it was right when it was saved: a later release knows its zone no more
            log.warning("the schedule %s cannot be fired: %s", source.name, error)
            return None

    def _first(self, source: ScheduleSource, standing: Standing, after: datetime) -> datetime | None:
        """The first tick after that, found once for many minutes."""
        name = source.name.casefold()
        known = self._next.get(name)
        if known is None or known[:2] != (standing.definition, after):
            known = self._next[name] = (standing.definition, after, timetable(source).next(after))
        return known[2]

    async def _make_all(self, some: Sequence[_Due], snapshot: Snapshot, rows: Rows) -> int:
        ends_at, made = self._life.clock.monotonic() + STEP_SECONDS, 0
        failures: list[NexomaticError] = []
        for few in batches(some, TOGETHER):
            reached: dict[str, Progress] = {}
            queue = list(reversed(few))

            async def work(queue: list[_Due] = queue, reached: dict[str, Progress] = reached) -> int:
                count = 0
                while queue and self._life.clock.monotonic() < ends_at:
                    count += await self._make(queue.pop(), snapshot, reached, failures)
                return count

            made += sum(await asyncio.gather(*(work() for _ in range(AT_ONCE))))
            await self._rows.write(reached, rows)
        if failures:
            log.warning("%d schedules could not be fired and will be tried again: %s", len(failures), failures[0])
        return made

    async def _make(
        self, due: _Due, snapshot: Snapshot, reached: dict[str, Progress], failures: list[NexomaticError]
    ) -> int:
        """The events of its ticks, in order; how many ticks. Notes how far it came, whatever happens."""
        before, made = due.before, 0
        for tick in due.ticks:
            try:
                self._life.check_room()  # a tick that is refused stays due
                await together(*self._events(due, tick, before, snapshot))
            except NexomaticError as error:
                failures.append(error)
                break
            before = reached[due.name] = Progress(due.definition, tick)
            made += 1
        return made

    def _events(
        self, due: _Due, tick: datetime, before: Progress | None, snapshot: Snapshot
    ) -> list[Coroutine[Any, Any, Event]]:
        payload = strict_json.write(due.source.payload)
        on_time = tick >= self._life.clock.now() - ON_TIME
        return [
            self._creator.create(
                NewEvent(
                    event_type=event_type,
                    source_kind=SourceKind.SCHEDULE,
                    source=due.source.name,
                    payload=payload,
                    id=event_id(due.source.name, Progress(due.definition, tick), event_type.name),
                    not_before=tick,
                    on_time=on_time,
                    schedule=due.definition,
                    previous=event_id(due.source.name, before, event_type.name) if before else None,
                )
            )
            for name in due.source.event_types
            if (event_type := snapshot.event_type(name)) is not None and event_type.enabled
        ]


def event_id(source: str, tick: Progress, event_type: str) -> str:
    """The id of the event that this tick of a schedule makes for an event type: always the same."""
    seed = ("schedule", source.casefold(), tick.definition, event_type.casefold())
    return ids.derived(tick.tick, *seed, shard=ids.shard_of(tick.definition))
