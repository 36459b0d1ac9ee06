"""Receipts: what became of each request to a webhook, of each event that an Event Grid source hears.

Dataclasses, not models: one is made for every request, and a model's construction costs as much as all the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Verdict(StrEnum):
    """What became of a request as a whole."""

    ACCEPTED = "accepted"
    """It fired at least one event; the receipt lies on that event."""
    UNFIRED = "unfired"
    """It was let in, and no event type wanted it."""
    DUPLICATE = "duplicate"
    """The same delivery came before: it is answered as that one was."""
    CHALLENGE = "challenge"
    """The caller asked whether the address is right, and was answered."""
    REFUSED = "refused"
    COUNTED = "counted"
    """Not one request but many that were refused within one minute, beyond those that have a receipt each."""


class Fate(StrEnum):
    """What became of a request for one of the source's event types."""

    FIRED = "fired"
    FILTERED = "filtered"
    """Its filter said no."""
    FAILED = "failed"
    """Its filter or payload expression could not be evaluated over this request."""
    DISABLED = "disabled"
    """It is disabled, gone, or may not be fired by this kind of source any more."""
    DUPLICATE = "duplicate"
    """It was fired by the delivery that came first."""


class KeptBody(StrEnum):
    """Where the request's body is kept, for a replay."""

    NOWHERE = "nowhere"
    PAYLOAD = "payload"
    """It is the payload of the event that carries the receipt, byte for byte."""
    RECEIPT = "receipt"
    """Beside the receipt."""


@dataclass(frozen=True, slots=True)
class Line:
    """One event type's part in a receipt."""

    event_type: str
    fate: Fate
    event_id: str | None = None
    reason: str | None = None
    """Why it was not fired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One request. Of its headers and query only what expressions may see; never a credential or a signature."""

    id: str
    """Of an accepted request the id of the event that carries it."""
    source: str
    at: datetime
    verdict: Verdict
    status: int
    """What it was answered with; an accepted one that waited for its result: 202 all the same."""
    reason: str | None = None
    """Why it was refused, or what else is to be known of it."""
    method: str = ""
    """Empty for Event Grid."""
    caller: str | None = None
    """The caller's address as the front end says it; None: no front end is named."""
    size: int = 0
    """Bytes of the body."""
    sha256: str | None = None
    """Of the body, hexadecimal."""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    """Empty when the request was refused: what it holds may be a secret in the wrong place."""
    event_types: tuple[Line, ...] = ()
    body: KeptBody = KeptBody.NOWHERE
    replay_of: str | None = None
    """The receipt of the request that an admin replayed."""
    duplicate_of: str | None = None
    """The receipt of the delivery that came first."""
    count: int = 1
    """How many requests: more than one only when counted."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Of a counted receipt: how many by status."""
