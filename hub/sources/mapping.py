"""Mapping: which of a source's event types a request fires, with which payload, and why it does not fire the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hub.errors import Invalid
from hub.life.context import LifeContext
from hub.model.configuration import EventType, SourceKind
from hub.model.receipt import Fate, Line
from hub.model.snapshot import Snapshot
from hub.rules import strict_json
from hub.sources.request import Seen, expression_document

_MOST_REASON: Final = 300


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


async def decide(life: LifeContext, name: str, snapshot: Snapshot, told: Seen, body: bytes) -> Decision:
    """What becomes of a request, whose body is `body` as JSON text, for one event type."""
    event_type = snapshot.event_type(name)
    reason = _cannot_fire(event_type)
    if event_type is None or reason is not None:
        return Decision(name, None, fate=Fate.DISABLED, reason=reason)
    try:
        payload = await _payload(life, event_type, told, body)
    except Invalid as error:
        return Decision(event_type.name, None, fate=Fate.FAILED, reason=str(error)[:_MOST_REASON])
    if payload is None:
        return Decision(event_type.name, None, fate=Fate.FILTERED, reason="filtered out")
    return Decision(event_type.name, event_type, payload)


async def _payload(life: LifeContext, event_type: EventType, told: Seen, body: bytes) -> bytes | None:
    """The payload, or None when the filter says no."""
    expressions = [each for each in (event_type.filter, event_type.payload) if each is not None]
    if not expressions:
        return body
    values = await life.evaluator.evaluate_all(expressions, expression_document(told, body))
    if event_type.filter is not None and (values[0] is None or values[0] is False):
        return None
    if event_type.payload is None:
        return body
    return strict_json.encode_bounded(values[-1], life.terms.max_payload)


def _cannot_fire(event_type: EventType | None) -> str | None:
    if event_type is None:
        return "there is no such event type any more"
    if not event_type.enabled:
        return "the event type is disabled"
    if SourceKind.WEBHOOK not in event_type.sources:
        return "the event type may not be fired by a webhook"
    return None
