"""What of a schedule is in force: which of its ticks are its own, and which events it made are not to run. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from hub.model.configuration import Pause, ScheduleSource
from hub.model.event import Code
from hub.model.snapshot import Snapshot
from hub.model.standing import Standing
from hub.rules import ids
from hub.rules.resolving import Unresolvable
from hub.rules.waiting import in_force


def standing_after(
    before: tuple[ScheduleSource, Standing] | None,
    document: ScheduleSource,
    now: datetime,
    definition: Callable[[], str],
) -> Standing:
    """How it stands once this document is written; `definition` draws the name of a new one."""
    if before is None or _defined(before[0]) != _defined(document):
        return Standing(definition(), now, now if document.pause else None)
    was, standing = before
    if was.pause == document.pause:
        return standing
    # What was in the pause that ends with this is over, and never fired.
    since = standing.since if was.pause is None else max(standing.since, min(now, was.pause.until or now))
    paused_at = standing.paused_at
    if document.pause is not None and not in_force(was.pause, now):
        paused_at = now
    return Standing(standing.definition, since, paused_at)


def fires_after(standing: Standing, pause: Pause | None, now: datetime) -> datetime:
    """It fires nothing up to this moment, whatever there was."""
    if pause is None or pause.until is None or in_force(pause, now):
        return standing.since
    return max(standing.since, pause.until)


def in_pause(standing: Standing, pause: Pause | None, at: datetime) -> bool:
    """Whether this moment is in the last pause of the schedule."""
    if standing.paused_at is None or at < standing.paused_at:
        return False
    return in_force(pause, at) if pause is not None else at <= standing.since


class MadeAhead(Protocol):
    """What of an event tells whether a schedule made it, and which."""

    @property
    def id(self) -> str: ...
    @property
    def attempt(self) -> int: ...
    @property
    def source(self) -> str | None: ...
    @property
    def schedule(self) -> str | None: ...


def void(event: MadeAhead, snapshot: Snapshot) -> Unresolvable | None:
    """Why an event that a schedule made is not to run; None: it is, or has begun to. Asked of the newest snapshot."""
    if event.schedule is None or event.attempt or event.source is None:
        return None
    source, standing = snapshot.source(event.source), snapshot.standing(event.source)
    if standing is None or not isinstance(source, ScheduleSource):
        return Unresolvable(Code.SCHEDULE_CHANGED, f"the schedule {event.source} is gone")
    if standing.definition != event.schedule:
        became = "changed" if source.enabled else "disabled"
        return Unresolvable(Code.SCHEDULE_CHANGED, f"the schedule {source.name} was {became} before this ran")
    if in_pause(standing, source.pause, ids.time_of(event.id)):
        return Unresolvable(Code.SCHEDULE_PAUSED, f"the schedule {source.name} was paused at this time")
    return None


def _defined(document: ScheduleSource) -> ScheduleSource:
    return document.model_copy(update={"pause": None})
