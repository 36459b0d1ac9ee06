"""Webhooks: a request to an unguessable address fires its source's event types.

The stages, in this order: key, method and size, network, verification, deduplication, limit, mapping. Each may refuse;
from the key on, whatever happens leaves a receipt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hub.configure.copy import ConfigurationCopy
from hub.errors import BadSecret, FieldError, Gone, Invalid, Missing, NotAllowed, NotFound, Unavailable, Unverified
from hub.life.context import LifeContext
from hub.model.configuration import WebhookSource
from hub.model.event import Event
from hub.model.receipt import Line
from hub.model.snapshot import Snapshot
from hub.model.verification import Slack, Verification
from hub.rules import ids
from hub.rules.callers import FrontEnd, address_of, within
from hub.secrets.port import Secrets
from hub.sources.arrival import Arrival, Taken, take
from hub.sources.deduplication import Deduplication, Known, repeated
from hub.sources.firing import Firing
from hub.sources.limits import SourceLimits, check_not_paused
from hub.sources.receipts import Receipts
from hub.sources.refusal_limit import RefusalLimit
from hub.sources.request import Request, check_transfer, seen
from hub.sources.verify import credential_header, credential_query, slack, verify

MOST_WAIT_SECONDS: Final = 100
_WAIT: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?")
_OWN_FAULT: Final = (Invalid, NotAllowed, NotFound, Unverified)
"""Refusals for what the caller did, which it may not do without end."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the caller is told."""

    receipt_id: str
    lines: Sequence[Line] = ()
    event: Event | None = None
    """The first that was fired, perhaps by an earlier delivery; None: none, or retention has removed it."""
    duplicate: bool = False
    challenge: str | None = None
    """It was no event, but a question, which this answers."""


@dataclass(frozen=True, slots=True)
class Stages:
    """What the stages work with."""

    receipts: Receipts
    refusals: RefusalLimit
    secrets: Secrets
    deduplication: Deduplication
    limits: SourceLimits
    firing: Firing
    front_end: FrontEnd | None
    """Who tells callers' addresses; None: nobody is believed."""


class Webhooks:
    """Takes webhook requests."""

    def __init__(self, context: LifeContext, configuration: ConfigurationCopy, stages: Stages) -> None:
        self._life = context
        self._configuration = configuration
        self._stages = stages

    async def receive(self, key: str, request: Request) -> Accepted:
        """Fire what this request fires; all of it is durable when this returns.

        Raises `NotFound` (no such address), and what refuses it: `Gone`, `Paused`, `Unavailable`, `Invalid` and its
        kinds, `NotAllowed`, `Unverified`, `TooMany`, `NoRoom`.
        """
        source, snapshot = await self._source(key)
        arrival = self._arrival(source, snapshot, request)
        try:
            return await self._pass(source, arrival)
        except Exception as error:
            # Before anything that waits: who guesses in parallel must find it spent.
            if isinstance(error, _OWN_FAULT):
                self._stages.refusals.spend(source.name, arrival.caller, arrival.at)
            await self._stages.receipts.refused(arrival, error)
            if isinstance(error, BadSecret):  # why is for the receipt: callers are not told of secrets
                raise Unavailable("this webhook cannot verify its callers at the moment; try again later") from error
            raise

    async def _source(self, key: str) -> tuple[WebhookSource, Snapshot]:
        configuration = await self._configuration.configuration()
        found = configuration.credentials.webhook_keys.get(key)
        if found is None:  # it may have been made a moment ago, by another process
            configuration = await self._configuration.news()
            found = configuration.credentials.webhook_keys.get(key)
        if found is None or (found.until is not None and self._life.clock.now() >= found.until):
            raise NotFound
        source = configuration.snapshot.source(found.source)
        if not isinstance(source, WebhookSource):
            raise NotFound
        return source, configuration.snapshot

    def _arrival(self, source: WebhookSource, snapshot: Snapshot, request: Request) -> Arrival:
        now, verification = self._life.now(), source.verify
        hidden = {"hidden_header": credential_header(verification), "hidden_query": credential_query(verification)}
        return Arrival(
            id=ids.new(now, self._life.randomness(), self._life.terms.shards),
            at=now,
            source=source,
            snapshot=snapshot,
            request=request,
            seen=seen(request, **hidden),
            caller=address_of(self._stages.front_end, request.headers),
        )

    async def _pass(self, source: WebhookSource, arrival: Arrival) -> Accepted:
        """Through all stages."""
        _check_open(source, arrival)
        limit = min(source.max_body or self._life.terms.max_payload, self._life.terms.max_payload)
        check_transfer(arrival.request, arrival.seen, limit)
        wait_of(arrival.request)
        if source.networks and not within(arrival.caller, source.networks):
            raise NotAllowed("callers from this network are not heard here")
        await self._verify(source, arrival)
        challenge = slack.challenge(arrival.request) if isinstance(source.verify, Slack) else None
        if challenge is not None:
            await self._stages.receipts.challenged(arrival)
            return Accepted(arrival.id, challenge=challenge)
        self._life.check_room()  # before anything is kept of it, but not before it is known who sends it
        taken = await take(arrival, limit)
        known = await self._stages.deduplication.meet(taken, source.dedupe)
        if known.receipt_id is not None:
            return await self._repeated(taken, known.receipt_id, known.lines)
        # Only here: a repeated delivery takes nothing of the source's rate, and what that refuses is not mapped. The
        # row of a delivery that it refuses stays open, so that the next try is let in.
        await self._stages.limits.rate(source)
        return await self._fire(taken, known)

    async def _verify(self, source: WebhookSource, arrival: Arrival) -> None:
        secrets = await self._values(source.verify)
        # From here on nothing waits: nobody slips in between looking whether this address may try and its refusal.
        self._stages.refusals.check(source.name, arrival.caller, arrival.at)
        verify(source.verify, secrets, arrival.request, arrival.at)

    async def _values(self, settings: Verification) -> list[str]:
        """The values of the secrets; one of two may be gone, once a rotation is over. Raises `BadSecret`."""
        values: list[str] = []
        for name in settings.secret_names:
            try:
                values.append((await self._stages.secrets.get(name)).value)
            except Missing:
                continue
        if settings.secret_names and not values:
            raise BadSecret(f"no secret {' or '.join(settings.secret_names)} can be read")
        return values

    async def _fire(self, taken: Taken, known: Known) -> Accepted:
        if known.met is None:
            fired = await self._stages.firing.fire(known.noted(taken))
            return Accepted(fired.receipt_id, fired.lines, fired.event)
        fired = await self._stages.deduplication.fire(self._stages.firing, taken, known.met)
        if not fired.new:
            return await self._repeated(taken, fired.receipt_id, repeated(fired.lines))
        return Accepted(fired.receipt_id, fired.lines, fired.event)

    async def _repeated(self, taken: Taken, first: str, lines: Sequence[Line]) -> Accepted:
        await self._stages.receipts.duplicate(taken, lines, first)
        event_id = next(line.event_id for line in lines if line.event_id is not None)
        try:
            event = (await self._life.events.get(event_id)).event
        except Missing:
            event = None  # retention has removed it
        return Accepted(taken.arrival.id, lines, event, duplicate=True)


def _check_open(source: WebhookSource, arrival: Arrival) -> None:
    if arrival.request.method not in source.methods:
        raise NotFound
    if not source.enabled:
        raise Gone("this webhook is switched off")
    check_not_paused(source, arrival.at)


def wait_of(request: Request) -> float:
    """How many seconds the caller wants to wait for its event's end. Raises `Invalid`."""
    text = request.query.get("wait", "")
    if not text:
        return 0
    if not _WAIT.fullmatch(text) or float(text) > MOST_WAIT_SECONDS:
        what = f"is a number of seconds from 0 to {MOST_WAIT_SECONDS}"
        raise Invalid(f"wait {what}", [FieldError("wait", what)])
    return float(text)
