"""An event as Event Grid brings it, in its own schema or as a CloudEvent: what sources and expressions see of it. Pure.

Azure's own filters compare types and subjects without regard to case unless told otherwise, and so does a source.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from hub.errors import Invalid, TooLarge
from hub.model.configuration import EventGridSource
from hub.rules import strict_json
from hub.sources.request import MOST_SEEN_BYTES, Seen, whole

_CLOUD_EVENT: Final = {"id": "id", "source": "source", "type": "type", "subject": "subject", "time": "time"}
_OWN_SCHEMA: Final = {"id": "id", "source": "topic", "type": "eventType", "subject": "subject", "time": "eventTime"}
"""What Event Grid's own schema calls the attributes of a CloudEvent."""


@dataclass(frozen=True, slots=True)
class GridEvent:
    """One event. What it does not say, or says in something that is no string, is empty."""

    text: bytes
    """As it came."""
    id: str
    origin: str
    """Where it is from: an id is unique there, and not beyond."""
    type: str
    subject: str
    seen: Seen
    """Its attributes as the headers of a CloudEvent that comes to a webhook, whatever its schema."""
    traceparent: str | None
    fault: Invalid | None = None
    """Why it can never be taken, by any source."""

    @property
    def known_by(self) -> str:
        """What tells it from all others."""
        return f"event {strict_json.write([self.origin, self.id]).decode()}"


def read(text: str, max_bytes: int) -> GridEvent:
    """What can be made out of it, and the fault if it cannot be taken. Raises `Invalid` if it is no JSON object."""
    content = text.encode(errors="replace")
    document, fault = _document(text)
    cloud_event = "specversion" in document
    told = {name: _text(document.get(called)) for name, called in _names(cloud_event).items()}
    headers = {"content-type": "application/cloudevents+json" if cloud_event else "application/json"}
    headers |= {f"ce-{name}": value for name, value in told.items() if value}
    if cloud_event:
        headers["ce-specversion"] = _text(document["specversion"])
    seen = Seen(headers, {})
    if len(content) > max_bytes:
        fault = TooLarge(f"the event is {len(content)} bytes; at most {max_bytes} are taken")
    elif seen.size > MOST_SEEN_BYTES:
        fault = TooLarge(f"its attributes are {seen.size} bytes; at most {MOST_SEEN_BYTES} are taken")
    elif not told["id"]:
        fault = fault or Invalid("the event has no id, a string, by which it could be told from others")
    traceparent = _text(document.get("traceparent")) or None
    return GridEvent(content, told["id"], told["source"], told["type"], told["subject"], seen, traceparent, fault)


def hears(source: EventGridSource, event: GridEvent) -> bool:
    """Whether the source's types and subjects let it pass."""
    kind, subject = event.type.casefold(), event.subject.casefold()
    if source.types and kind not in [each.casefold() for each in source.types]:
        return False
    begins, ends = source.subject_begins_with or "", source.subject_ends_with or ""
    return subject.startswith(begins.casefold()) and subject.endswith(ends.casefold())


def _names(cloud_event: bool) -> dict[str, str]:
    return _CLOUD_EVENT if cloud_event else _OWN_SCHEMA


def _document(text: str) -> tuple[dict[str, Any], Invalid | None]:
    """The event; read without strictness if that is refused, to see at least who should be told of it."""
    fault, document = None, None
    try:
        document = strict_json.read(text)
    except Invalid as error:
        fault = error
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            raise error from None
    if not isinstance(document, dict):
        raise Invalid("an event is a JSON object")
    return document, fault


def _text(value: object) -> str:
    return whole(value) if isinstance(value, str) else ""
