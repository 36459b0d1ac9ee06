"""Mapping: which of a source's event types a request fires, with which payload, and why it does not fire the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from hub.errors import Invalid
from hub.life.context import LifeContext
from hub.model.configuration import EventType, SourceKind
from hub.model.receipt import Fate, Line
from hub.rules import strict_json
from hub.sources.arrival import Taken
from hub.sources.request import Seen, expression_document

MOST_REASON: Final = 300
_FIRED_BY: Final = {SourceKind.WEBHOOK: "a webhook", SourceKind.EVENTGRID: "Event Grid"}


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether an event type is fired, with which payload, or why not."""

    event_type: str
    fires: EventType | None
    payload: bytes = b""
    fate: Fate = Fate.FIRED
    reason: str | None = None

    def line(self, event_id: str | None = None) -> Line:
        """Its part in the receipt."""
        return Line(self.event_type, self.fate, event_id, self.reason)


async def decide(life: LifeContext, name: str, taken: Taken) -> Decision:
    """What becomes of a request for one event type."""
    arrival = taken.arrival
    event_type = arrival.snapshot.event_type(name)
    reason = _cannot_fire(event_type, arrival.source.kind)
    if event_type is None or reason is not None:
        return Decision(name, None, fate=Fate.DISABLED, reason=reason)
    try:
        payload = await _payload(life, event_type, arrival.seen, taken.body)
    except Invalid as error:
        return Decision(event_type.name, None, fate=Fate.FAILED, reason=str(error)[:MOST_REASON])
    if payload is None:
        return Decision(event_type.name, None, fate=Fate.FILTERED, reason="filtered out")
    return Decision(event_type.name, event_type, payload)


async def _payload(life: LifeContext, event_type: EventType, told: Seen, body: bytes) -> bytes | None:
    """The payload, or None when the filter says no."""
    expressions = [each for each in (event_type.filter, event_type.payload) if each is not None]
    if not expressions:
        return body
    values = await life.evaluator.evaluate_all(expressions, expression_document(told, body))
    if event_type.filter is not None and not passes(values[0]):
        return None
    if event_type.payload is None:
        return body
    return strict_json.encode_bounded(values[-1], life.terms.max_payload)


def passes(value: JsonValue) -> bool:
    """Whether a filter that says this says yes."""
    return value is not None and value is not False


def _cannot_fire(event_type: EventType | None, kind: SourceKind) -> str | None:
    if event_type is None:
        return "there is no such event type any more"
    if not event_type.enabled:
        return "the event type is disabled"
    if kind not in event_type.sources:
        return f"the event type may not be fired by {_FIRED_BY[kind]}"
    return None
