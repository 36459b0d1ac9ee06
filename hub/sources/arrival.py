"""A request that has come to a known webhook, or an event to an Event Grid source: what all stages work with."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from hub.model.configuration import EventGridSource, WebhookSource
from hub.model.snapshot import Snapshot
from hub.rules.callers import Address
from hub.sources.request import Request, Seen, body_document

ReceivingSource: TypeAlias = WebhookSource | EventGridSource
"""Sources that somebody delivers to: each delivery leaves a receipt."""
LARGE_BODY: Final = 64 * 1024
"""Above it a body is read, and its digest made, off the event loop, which would stand still for milliseconds."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request or event, from its first stage to its receipt."""

    id: str
    """Of its receipt; when it fires events, the one that carries the receipt has it too, unless it is a delivery that
    is told from others: then events have ids of their own."""
    at: datetime
    source: ReceivingSource
    snapshot: Snapshot
    request: Request
    seen: Seen
    caller: Address | None
    replay_of: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A request that was let in, its body read."""

    arrival: Arrival
    body: bytes
    """As JSON text."""
    sha256: str
    """Of the body as it came, hexadecimal."""
    note: str | None = None
    """What its receipt should say of it."""


async def take(arrival: Arrival, limit: int) -> Taken:
    """Read the body. Raises what `body_document` raises."""
    request = arrival.request
    if len(request.body) <= LARGE_BODY:
        return Taken(arrival, body_document(request, limit), hashlib.sha256(request.body).hexdigest())
    body = await asyncio.to_thread(body_document, request, limit)
    return Taken(arrival, body, await sha256_of(request.body))


async def sha256_of(content: bytes) -> str:
    """A digest, hexadecimal."""
    if len(content) <= LARGE_BODY:
        return hashlib.sha256(content).hexdigest()
    return (await asyncio.to_thread(hashlib.sha256, content)).hexdigest()
