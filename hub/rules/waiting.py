"""Why an event that is queued is not run now: too late, paused, disabled; and what upkeep must look at. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from hub.model.configuration import Pause
from hub.model.event import Event, State
from hub.model.snapshot import Snapshot
from hub.rules.hints import hint_after
from hub.rules.lifecycle import MAX_DEPTH


class Waiting(Protocol):
    """What of an event that is not settled tells whether something is due for it."""

    @property
    def id(self) -> str: ...
    @property
    def state(self) -> State: ...
    @property
    def event_type(self) -> str: ...
    @property
    def attempt(self) -> int: ...
    @property
    def depth(self) -> int: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def not_before(self) -> datetime | None: ...
    @property
    def lease_until(self) -> datetime | None: ...
    @property
    def hints(self) -> int: ...
    @property
    def silent(self) -> bool: ...


def overdue(event: Waiting, snapshot: Snapshot, now: datetime) -> bool:
    """Whether a queued event has waited longer than its EventType's queue time-out, and will not run any more.

    Only what never ran can be too late to start: an event whose attempt was lost or failed keeps its right to a retry.
    """
    ends = queue_ends(event, snapshot)
    return event.state is State.QUEUED and ends is not None and now > ends


def queue_ends(event: Waiting, snapshot: Snapshot) -> datetime | None:
    """Until when it must have begun, by its EventType's queue time-out; None: it has begun before, or may wait."""
    event_type = snapshot.event_type(event.event_type)
    if event.attempt or event_type is None or event_type.queue_timeout_seconds is None:
        return None
    return _due(event) + timedelta(seconds=event_type.queue_timeout_seconds)


def may_need_help(event: Waiting, snapshot: Snapshot, now: datetime, expired_before: datetime | None) -> bool:
    """Whether upkeep must read the whole row to know that nothing is due. False: nothing is.

    A RUNNING event may be lost if its lease was over at `expired_before`; None: none is judged yet.
    """
    if event.state.final:
        return True  # it is open because it owes something
    if event.state is State.RUNNING:
        ends = event.lease_until
        return (
            ends is None
            or (expired_before is not None and ends <= expired_before)
            or now >= hint_after(event.hints, ends)
        )
    if event.depth > MAX_DEPTH or overdue(event, snapshot, now):
        return True
    # The end of an attempt may put it off further, which only the whole row tells.
    return now >= hint_after(event.hints, _due(event))


def _due(event: Waiting) -> datetime:
    """When it should have been met. What a schedule catches up is made after its time."""
    return event.created_at if event.not_before is None else max(event.not_before, event.created_at)


def too_deep(event: Event) -> str | None:
    """Why a follow-on will not run: its chain has led on as often as any may. It is an ERROR that everybody sees."""
    if event.depth <= MAX_DEPTH:
        return None
    return f"the chain that began with {event.root_id} has led on {MAX_DEPTH} times, as often as any may"


def paused(event: Waiting, snapshot: Snapshot, now: datetime) -> bool:
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
