"""Overlap: whether what a schedule fired before is still under way when its next tick comes.

Each event of a schedule names the one before. Whether a tick is skipped follows from what stands in the rows alone (an
event that ran had not ended at the tick's time), so it is the same whoever asks, in which order, and however late.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hub.errors import Missing
from hub.life.context import LifeContext
from hub.life.permits import Later
from hub.model.configuration import Overlap, ScheduleSource
from hub.model.event import Code, Event
from hub.model.snapshot import Snapshot
from hub.rules import ids
from hub.rules.resolving import Unresolvable
from hub.rules.standing import void

MOST_UNDECIDED: Final = 64
"""Events in a row, none of them met yet, through which one more looks back; their turn comes first."""
MOST_LOOKED_AT: Final = 1000
"""Events that never ran, in a row: what is behind so many is forgotten."""
_SOON_SECONDS: Final = 1.0


class Overlapped(Unresolvable):
    """An earlier event had not ended at this one's time."""

    def __init__(self, blocker: Event) -> None:
        message = f"event {blocker.id}, which the same schedule fired before, had not ended at this time"
        super().__init__(Code.OVERLAPPED, message)
        self.blocker = blocker.id


async def check_overlap(life: LifeContext, event: Event, snapshot: Snapshot) -> None:
    """Return when the event of a schedule may start. Raises `Overlapped` (it never will), `Later` (it waits)."""
    source = snapshot.source(event.source or "")
    if event.schedule is None or event.attempt or not isinstance(source, ScheduleSource):
        return
    if source.overlap is Overlap.ALLOW or event.previous is None:
        return
    last, undecided = await _before(life, event, snapshot)
    if source.overlap is Overlap.QUEUE:
        if undecided or (last is not None and not last.state.final):
            raise Later(life.terms.no_slot_seconds)
        return
    blocker = _blocker(event, undecided, last)
    if blocker is not None:
        raise Overlapped(blocker)


async def _before(life: LifeContext, event: Event, snapshot: Snapshot) -> tuple[Event | None, Sequence[Event]]:
    """The last earlier event that has begun to run, and those between that may yet run, the newest first."""
    undecided: list[Event] = []
    previous = event.previous
    for _ in range(MOST_LOOKED_AT):
        if previous is None:
            break
        try:
            found = (await life.events.get(previous)).event
        except Missing:
            break  # retention has taken it, so it ended long ago
        if found.attempt:
            return found, undecided
        if not found.state.final and void(found, snapshot) is None:
            undecided.append(found)
            if len(undecided) > MOST_UNDECIDED:
                raise Later(_SOON_SECONDS)
        previous = found.previous
    return None, undecided


def _blocker(event: Event, undecided: Sequence[Event], last: Event | None) -> Event | None:
    """The event that had not ended at this one's time, given that those undecided have not ended yet."""
    blocker = last
    for each in reversed(undecided):
        if not _under_way(blocker, each):
            blocker = each  # it will run, unless it is cancelled
    return blocker if _under_way(blocker, event) else None


def _under_way(blocker: Event | None, event: Event) -> bool:
    """Whether the blocker had not ended at the time that the event was made for."""
    if blocker is None:
        return False
    return blocker.finished_at is None or blocker.finished_at > ids.time_of(event.id)
