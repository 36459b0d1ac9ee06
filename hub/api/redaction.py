"""What of an event's payload and result is answered to whom."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from pydantic import BaseModel

from hub.model.configuration import ScheduleSource, SourceKind
from hub.model.event import Event
from hub.model.people import Role
from hub.model.snapshot import Snapshot
from hub.people.identity import Caller, Person
from hub.rules import redacting
from hub.rules.redacting import Steps

M = TypeVar("M", bound=BaseModel)
_PARENTS_RESULT: Final = ("parent", "result_data")


def sees_all(caller: Caller) -> bool:
    """Whether nothing is kept from them: they are an Admin."""
    return isinstance(caller, Person) and caller.role is Role.ADMIN


def shown(event: Event, payload: Any, result: Any, snapshot: Snapshot) -> tuple[Any, Any]:
    """Payload and result as a Viewer reads them, by what is configured today.

    Of an event whose EventType is gone nothing is known of what had to be hidden: all is. The payload of a follow-on
    holds its parent's result, and hides of that what the parent's EventType says.
    """
    own = _paths(event.event_type, snapshot)
    parents: tuple[Steps, ...] = ()
    if event.source_kind is SourceKind.FOLLOW_ON:
        parents = tuple((*_PARENTS_RESULT, *steps) for steps in _paths(_parent_type(payload), snapshot))
    return redacting.redacted(payload, [*own, *parents]), None if result is None else redacting.redacted(result, own)


def of_source(source: M, snapshot: Snapshot) -> M:
    """A document as a Viewer reads it: a schedule without what its event types redact; others as they are."""
    if not isinstance(source, ScheduleSource):
        return source
    paths = [steps for each in source.event_types for steps in _paths(each, snapshot)]
    return source.model_copy(update={"payload": redacting.redacted(source.payload, paths)})


def _paths(event_type: str, snapshot: Snapshot) -> tuple[Steps, ...]:
    found = snapshot.event_type(event_type)
    return ((),) if found is None else tuple(redacting.path(each) for each in found.redact)


def _parent_type(payload: Any) -> str:
    parent = payload.get("parent") if isinstance(payload, dict) else None
    name = parent.get("event_type") if isinstance(parent, dict) else None
    return name if isinstance(name, str) else ""
