"""Webhooks: a request to an unguessable address fires its source's event types."""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.configure.copy import ConfigurationCopy
from hub.errors import Gone, Invalid, Missing, NotFound, Unavailable
from hub.life.context import LifeContext
from hub.life.create import Creator, NewEvent
from hub.model.configuration import EventType, Source, SourceKind
from hub.model.event import Event
from hub.model.snapshot import Snapshot
from hub.rules import ids, strict_json
from hub.rules.tracing import correlation_id_of, traceparent_of
from hub.rules.waiting import in_force
from hub.signing import Signer
from hub.sources.request import Request, body_document, expression_document

STATUS_VALID = timedelta(days=7)
_LARGE_BODY = 64 * 1024
"""Above it a body is read off the event loop: 4 MiB of JSON would hold it up for tens of milliseconds."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the request for one of the source's event types."""

    event_type: str
    event: Event | None
    reason: str | None
    """Why it was not fired."""


@dataclass(frozen=True, slots=True)
class _Decision:
    """Whether an event type is fired, with which payload, or why not."""

    event_type: str
    fires: EventType | None
    payload: bytes = b""
    reason: str | None = None


class Webhooks:
    """Takes webhook requests, and tells their callers how it went."""

    def __init__(
        self, context: LifeContext, creator: Creator, configuration: ConfigurationCopy, status_signer: Signer
    ) -> None:
        self._life = context
        self._creator = creator
        self._configuration = configuration
        self._signer = status_signer

    async def receive(self, key: str, request: Request) -> list[Verdict]:
        """Fire what this request fires; all of it is durable when this returns.

        Raises `NotFound` (no such address), `Gone` (switched off), `TooLarge`, `Invalid`, `Unavailable` and what
        `body_document` raises.
        """
        source, snapshot = await self._source(key, request.method)
        limit = min(source.max_body or self._life.terms.max_payload, self._life.terms.max_payload)
        body = await _off_loop_if_large(request, limit)
        # All are decided before any is created: then only storage can fail between the first event and the last.
        decisions = [await self._decide(name, snapshot, request, body) for name in source.event_types]
        return [await self._fire(decision, source, request) for decision in decisions]

    async def status(self, event_id: str, token: str) -> Event:
        """The event that a status address is about. Raises `NotFound` for one that is not, or no longer, good."""
        try:
            signed_id, expires = self._signer.read(token).decode().split(" ")
            good = hmac.compare_digest(signed_id, ids.check(event_id))
            if good and self._life.clock.now() < datetime.fromisoformat(expires):
                return (await self._life.events.get(signed_id)).event
        except (Invalid, ValueError, Missing):
            pass
        raise NotFound

    def status_token(self, event_id: str) -> str:
        """What makes a status address good, for seven days."""
        expires = (self._life.clock.now() + STATUS_VALID).isoformat(timespec="seconds")
        return self._signer.sign(f"{event_id} {expires}".encode())

    async def _source(self, key: str, method: str) -> tuple[Source, Snapshot]:
        configuration = await self._configuration.configuration()
        found = configuration.credentials.webhook_keys.get(key)
        if found is None:  # it may have been made a moment ago, by another process
            configuration = await self._configuration.news()
            found = configuration.credentials.webhook_keys.get(key)
        now = self._life.clock.now()
        if found is None or (found.until is not None and now >= found.until):
            raise NotFound
        source = configuration.snapshot.source(found.source)
        if source is None or method not in source.methods:
            raise NotFound
        if not source.enabled:
            raise Gone("this webhook is switched off")
        if in_force(source.pause, now):
            raise Unavailable("this webhook is paused; try again later")
        return source, configuration.snapshot

    async def _decide(self, name: str, snapshot: Snapshot, request: Request, body: bytes) -> _Decision:
        event_type = snapshot.event_type(name)
        reason = _cannot_fire(event_type)
        if event_type is None or reason is not None:
            return _Decision(name, None, reason=reason)
        try:
            payload = await self._payload(event_type, request, body)
        except Invalid as error:
            return _Decision(event_type.name, None, reason=str(error))
        if payload is None:
            return _Decision(event_type.name, None, reason="filtered out")
        return _Decision(event_type.name, event_type, payload)

    async def _fire(self, decision: _Decision, source: Source, request: Request) -> Verdict:
        if decision.fires is None:
            return Verdict(decision.event_type, None, decision.reason)
        event = await self._creator.create(
            NewEvent(
                event_type=decision.fires,
                source_kind=SourceKind.WEBHOOK,
                payload=decision.payload,
                source=source.name,
                traceparent=traceparent_of(request.headers, self._life.randomness()),
                correlation_id=correlation_id_of(request.headers),
            )
        )
        return Verdict(decision.event_type, event, None)

    async def _payload(self, event_type: EventType, request: Request, body: bytes) -> bytes | None:
        """The payload, or None when the filter says no."""
        expressions = [each for each in (event_type.filter, event_type.payload) if each is not None]
        if not expressions:
            return body
        values = await self._life.evaluator.evaluate_all(expressions, expression_document(request, body))
        if event_type.filter is not None and (values[0] is None or values[0] is False):
            return None
        if event_type.payload is None:
            return body
        return strict_json.encode_bounded(values[-1], self._life.terms.max_payload)


def _cannot_fire(event_type: EventType | None) -> str | None:
    if event_type is None:
        return "there is no such event type any more"
    if not event_type.enabled:
        return "the event type is disabled"
    if SourceKind.WEBHOOK not in event_type.sources:
        return "the event type may not be fired by a webhook"
    return None


async def _off_loop_if_large(request: Request, limit: int) -> bytes:
    if len(request.body) <= _LARGE_BODY:
        return body_document(request, limit)
    return await asyncio.to_thread(body_document, request, limit)
