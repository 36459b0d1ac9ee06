"""What the API answers and takes about operations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import Field

from hub.api.moments import Moment
from hub.api.views import Asked, Time, View
from hub.errors import FieldError, Invalid
from hub.model.event import State
from hub.model.operation import BulkAction, EventFilter, Operation, OperationState
from hub.rules.rerunning import RerunAs

_Name = Annotated[str | None, Field(max_length=63)]
_Moment = Annotated[Moment | None, Field(strict=False)]
_State = Annotated[State, Field(strict=False)]

FITTING: Final = {
    BulkAction.CANCEL: (State.QUEUED, State.RUNNING),
    BulkAction.RETRY: (State.ERROR, State.WARNING, State.SUCCESS),
}
"""To events of which states an action can be done."""
USUAL: Final = {BulkAction.CANCEL: FITTING[BulkAction.CANCEL], BulkAction.RETRY: (State.ERROR,)}
"""Which are meant when the filter names none."""


class AskFilter(Asked):
    """Which events. At least one field, so that nobody means all by leaving it empty."""

    state: Annotated[list[_State], Field(default_factory=list, max_length=len(State))]
    """Empty: for `cancel` QUEUED and RUNNING, for `retry` ERROR."""
    event_type: _Name = None
    source: _Name = None
    sink: _Name = None
    begin: Annotated[_Moment, Field(alias="from")] = None
    """Not older than this."""
    end: Annotated[_Moment, Field(alias="to")] = None
    """Older than this. Never later than when the operation began."""
    search: Annotated[str | None, Field(min_length=1, max_length=200)] = None


class Bulk(Asked):
    """Do something to all events that a filter finds."""

    action: Annotated[BulkAction, Field(strict=False)]
    filter: AskFilter
    how: Annotated[RerunAs | None, Field(alias="as", strict=False)] = None
    """Of `retry`: `today` unless said otherwise."""

    def checked(self) -> EventFilter:
        """The filter. Raises `Invalid`."""
        asked = self.filter
        if not asked.model_fields_set:
            what = f"must name at least one of {', '.join(_names())}"
            raise Invalid(f"filter {what}", [FieldError("filter", what)])
        if self.how is not None and self.action is not BulkAction.RETRY:
            what = "is for the action retry"
            raise Invalid(f"as {what}", [FieldError("as", what)])
        fitting = FITTING[self.action]
        if not set(asked.state) <= set(fitting):
            what = f"must be of {', '.join(fitting)} for the action {self.action}"
            raise Invalid(f"filter.state {what}", [FieldError("filter.state", what)])
        return EventFilter(states=tuple(asked.state) or USUAL[self.action], **asked.model_dump(exclude={"state"}))


class FilterView(View):
    """Which events."""

    state: list[State]
    event_type: str | None
    source: str | None
    sink: str | None
    begin: Annotated[Time | None, Field(serialization_alias="from")]
    end: Annotated[Time | None, Field(serialization_alias="to")]
    search: str | None

    @classmethod
    def of(cls, found: EventFilter) -> FilterView:
        return cls(state=list(found.states), **found.model_dump(exclude={"states"}))


class FailureView(View):
    """An event that it could not be done to, and why."""

    event_id: str
    detail: str


class OperationView(View):
    """Something done to many events, and how far it has come."""

    id: str
    action: BulkAction
    how: Annotated[RerunAs | None, Field(serialization_alias="as")]
    filter: FilterView
    state: OperationState
    matched: int
    """Found so far."""
    done: int
    failed: int
    failures: list[FailureView]
    """The first twenty."""
    note: str | None
    """What it waits for."""
    searched_to: Time | None
    """It has come back to here. Null at first, and when all is done."""
    created_at: Time
    created_by: str | None
    updated_at: Time
    finished_at: Time | None

    @classmethod
    def of(cls, operation: Operation, searched_to: datetime | None) -> OperationView:
        told: dict[str, Any] = {
            "filter": FilterView.of(operation.filter),
            "failures": [FailureView(**each.model_dump()) for each in operation.failures],
            "how": RerunAs(operation.how) if operation.how else None,
            "searched_to": searched_to,
        }
        return cls(**told, **{name: getattr(operation, name) for name in cls.model_fields if name not in told})


class OperationList(View):
    items: list[OperationView]
    cursor: str | None


def _names() -> list[str]:
    return [each.alias or name for name, each in AskFilter.model_fields.items()]
