"""An operation: something done to many events, one part after the other, that goes on whatever process dies."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from hub.model.event import State


class BulkAction(StrEnum):
    """What is done to each event."""

    CANCEL = "cancel"
    RETRY = "retry"


class OperationState(StrEnum):
    """How an operation stands."""

    RUNNING = "RUNNING"
    DONE = "DONE"
    CANCELLED = "CANCELLED"
    """Somebody ended it before it was through. What it had done stays done."""


class EventFilter(BaseModel):
    """To which events, as a list of events is asked for."""

    model_config = ConfigDict(frozen=True)

    states: tuple[State, ...]
    event_type: str | None = None
    source: str | None = None
    sink: str | None = None
    begin: datetime | None = None
    end: datetime | None = None
    search: str | None = None


class Failure(BaseModel):
    """An event that it could not be done to, and why."""

    model_config = ConfigDict(frozen=True)

    event_id: str
    detail: str


class Operation(BaseModel):
    """How far it has come. `batch` is what is being done at the moment: ids that are done again after a crash."""

    model_config = ConfigDict(frozen=True)

    id: str
    action: BulkAction
    how: str | None = None
    """Of a retry: as what."""
    filter: EventFilter
    state: OperationState = OperationState.RUNNING
    matched: int = 0
    done: int = 0
    failed: int = 0
    failures: tuple[Failure, ...] = ()
    """The first of them."""
    note: str | None = None
    """What it waits for."""
    created_at: datetime
    created_by: str | None
    updated_at: datetime
    finished_at: datetime | None = None
    position: str | None = None
    """The id down to which events were looked at."""
    exhausted: bool = False
    """There is nothing behind the batch."""
    batch: tuple[str, ...] = ()
    batch_at: datetime | None = None
    """When the batch was found: the ids of its reruns are derived from it."""
    held_until: datetime | None = None
    """Until then somebody is at it, or it has to wait."""
