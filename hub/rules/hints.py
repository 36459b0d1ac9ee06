"""When a fresh hint is put for an event that should have been met long ago. Pure.

A hint can be gone only if an operator emptied a queue, or a create was never acknowledged. Putting one each hour would
multiply the queue of a pool that is offline for a weekend; doubling the wait each time gives a dozen in two months.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from hub.model.event import Event, State


def due_at(event: Event) -> datetime:
    """When an open event should have been met by a receive loop: its creation, its back-off, its lease's end."""
    last_end = max((each.finished_at for each in event.attempts if each.finished_at), default=event.created_at)
    if event.state is State.RUNNING:
        return event.lease_until or last_end
    return max(event.not_before or event.created_at, last_end)


def fresh_hint_due(event: Event, now: datetime) -> bool:
    """Whether it is 1, 2, 4, 8 … hours overdue, one more than hints were put before."""
    return now >= hint_after(event.hints, due_at(event))


def hint_after(hints: int, due: datetime) -> datetime:
    """When the next hint is put for what was due then, after so many."""
    return due + timedelta(hours=2 ** min(hints, 20))
