"""Why an event that is queued is not run now: too late, paused, disabled. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from hub.model.configuration import Pause
from hub.model.event import Event, State
from hub.model.snapshot import Snapshot


def overdue(event: Event, snapshot: Snapshot, now: datetime) -> bool:
    """Whether a queued event has waited longer than its EventType's queue time-out, and will not run any more.

    Only what never ran can be too late to start: an event whose attempt was lost or failed keeps its right to a retry.
    """
    event_type = snapshot.event_type(event.event_type)
    if event.state is not State.QUEUED or event.attempt or event_type is None:
        return False
    if event_type.queue_timeout_seconds is None:
        return False
    due = event.not_before or event.created_at
    return now > due + timedelta(seconds=event_type.queue_timeout_seconds)


def paused(event: Event, snapshot: Snapshot, now: datetime) -> bool:
    """Whether its EventType or SinkType is paused or disabled: it waits, and runs once that is lifted."""
    event_type = snapshot.event_type(event.event_type)
    if event_type is None:
        return False
    sink_type = snapshot.sink_type(event_type.sink_type)
    pauses = (event_type.pause, sink_type.pause if sink_type else None)
    return not event_type.enabled or any(in_force(pause, now) for pause in pauses)


def in_force(pause: Pause | None, now: datetime) -> bool:
    """Whether a pause holds at this moment."""
    return pause is not None and (pause.until is None or now < pause.until)
