"""What is told to the outside of an event's life: every change of its state, read off its row. Pure.

Read off the row, so that it can be told again by whoever finds out that it was not told: each change has a number, and
the same number is always the same change.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub.model.event import Event, State


@dataclass(frozen=True, slots=True)
class Announcement:
    """One change of an event's state. Names and numbers only: never a payload, a result or a message."""

    number: int
    """0: it was created. 2n - 1: attempt n began. 2n: attempt n ended. Grows along the event's life."""
    event_id: str
    event_type: str
    state: State
    """What the change led to."""
    at: datetime
    attempt: int
    sink: str | None
    result_code: str | None
    source_kind: str
    source: str | None
    root_id: str
    parent_id: str | None
    correlation_id: str | None

    @property
    def id(self) -> str:
        """The same for the same change, however often it is told."""
        return f"{self.event_id}.{self.number}"


def announcements(event: Event) -> list[Announcement]:
    """Every change of state so far, in order. Of attempts the row keeps the newest 50, and so does this."""
    told = [_announcement(event, 0, State.QUEUED, event.created_at)]
    for attempt in event.attempts:
        number = attempt.number * 2
        running = _announcement(event, number - 1, State.RUNNING, attempt.started_at, attempt.number, attempt.sink)
        told.append(running)
        if attempt.finished_at is not None:
            told.append(
                _announcement(
                    event, number, _after(event, attempt.finished_at), attempt.finished_at, attempt.number,
                    attempt.sink, attempt.result_code,
                )
            )  # fmt: skip
    if event.state.final:
        # Its end is that of its last attempt, or came while it waited: before any attempt, or between two.
        number = told.pop().number if told[-1].state.final else told[-1].number + 1
        told.append(_end(event, number))
    return told


def _after(event: Event, attempt_ended_at: datetime) -> State:
    """What an attempt's end led to: the event's own end, if both were written in one move."""
    return event.state if event.state.final and event.finished_at == attempt_ended_at else State.QUEUED


def _end(event: Event, number: int) -> Announcement:
    at = event.finished_at or event.created_at
    return _announcement(event, number, event.state, at, event.attempt, event.sink, event.result_code)


def _announcement(
    event: Event,
    number: int,
    state: State,
    at: datetime,
    attempt: int = 0,
    sink: str | None = None,
    result_code: str | None = None,
) -> Announcement:
    return Announcement(
        number=number,
        event_id=event.id,
        event_type=event.event_type,
        state=state,
        at=at,
        attempt=attempt,
        sink=sink,
        result_code=result_code,
        source_kind=event.source_kind.value,
        source=event.source,
        root_id=event.root_id,
        parent_id=event.parent_id,
        correlation_id=event.correlation_id,
    )
