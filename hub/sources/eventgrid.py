"""Event Grid: each event that it delivers is offered to every source of the kind, and fires the event types of those
that hear it.

Event Grid delivers at least once, and keeps for 24 hours what is not taken; a failure of one event brings its whole
batch again. So an event is taken once, whatever comes again; one that can never be taken is recorded and acknowledged;
and only what may pass later (storage, a full queue, a pause) is refused.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import Final

from hub.configure.copy import ConfigurationCopy
from hub.errors import Invalid, NexomaticError
from hub.life.context import LifeContext
from hub.model.configuration import EventGridSource
from hub.model.receipt import Fate, Line
from hub.model.snapshot import Snapshot
from hub.rules import ids
from hub.sources.arrival import LARGE_BODY, Arrival, Taken, sha256_of
from hub.sources.deduplication import Deduplication, repeated
from hub.sources.firing import Firing
from hub.sources.grid_event import GridEvent, hears, read
from hub.sources.limits import check_not_paused
from hub.sources.mapping import MOST_REASON, passes
from hub.sources.receipts import Receipts
from hub.sources.request import Request, expression_document

log = logging.getLogger(__name__)

KNOWN_HOURS: Final = 48
"""How long an event is known again. Event Grid tries for 24 hours at most."""
SAY_EVERY_SECONDS: Final = 60.0
"""Events that no source hears may be very many: so often the log says of them."""


@dataclass(frozen=True, slots=True)
class Stages:
    """What an event passes through."""

    receipts: Receipts
    deduplication: Deduplication
    firing: Firing


class EventGrid:
    """Takes events. One per process."""

    def __init__(self, context: LifeContext, configuration: ConfigurationCopy, stages: Stages) -> None:
        self._life = context
        self._configuration = configuration
        self._stages = stages
        self._unheard = 0
        self._said_at = float("-inf")

    async def receive(self, text: str) -> None:
        """Fire what this event fires; all of it is durable, or recorded, when this returns.

        Raises `Unavailable`, `TooMany`, `Paused`: sent again later, it may be taken.
        """
        snapshot = await self._configuration.current()
        try:
            event = await self._read(text)
        except Invalid:  # nobody can be told of it but who reads the log, in which nothing of it may stand
            self._note_unheard("is no JSON object")
            return
        sources = [each for each in snapshot.sources.values() if isinstance(each, EventGridSource)]
        hearing = [each for each in sources if each.enabled and hears(each, event)]
        if not hearing:
            self._note_unheard(f"has the type {event.type[:200]!r}, and no source hears it")
        failures: list[NexomaticError] = []
        for source in hearing:  # what one cannot take now must not keep it from the others
            try:
                await self._take(source, snapshot, event)
            except NexomaticError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    async def _read(self, text: str) -> GridEvent:
        if len(text) <= LARGE_BODY:
            return read(text, self._life.terms.max_payload)
        return await asyncio.to_thread(read, text, self._life.terms.max_payload)

    async def _take(self, source: EventGridSource, snapshot: Snapshot, event: GridEvent) -> None:
        arrival = self._arrival(source, snapshot, event)
        try:
            await self._pass(source, arrival, event)
        except Invalid as error:  # sent again, it would be no better
            await self._stages.receipts.recorded(arrival, error)
        except Exception as error:
            await self._stages.receipts.refused(arrival, error)
            raise

    async def _pass(self, source: EventGridSource, arrival: Arrival, event: GridEvent) -> None:
        """Through all stages."""
        if event.fault is not None:
            raise event.fault
        taken = Taken(arrival, event.text, await sha256_of(event.text))
        failed: Invalid | None = None
        try:
            if not await self._filter(source, taken):
                return
        except Invalid as error:
            failed = error
        check_not_paused(source, arrival.at)
        met = await self._stages.deduplication.meet_named(arrival, event.known_by, KNOWN_HOURS)
        if met.delivery.receipt_id is not None:
            await self._stages.receipts.duplicate(taken, repeated(met.delivery.lines), met.delivery.receipt_id)
            return
        # Sent again, it has this one receipt while it fires nothing.
        first = replace(taken, arrival=replace(arrival, id=met.unfired_id))
        if failed is not None:
            await self._stages.receipts.unfired(first, _all_failed(source, failed))
            return
        fired = await self._stages.deduplication.fire(self._stages.firing, first, met)
        if not fired.new:
            await self._stages.receipts.duplicate(taken, repeated(fired.lines), fired.receipt_id)

    async def _filter(self, source: EventGridSource, taken: Taken) -> bool:
        """Whether the source's expression lets it pass. Raises `Invalid`: it cannot be evaluated over this event."""
        if source.filter is None:
            return True
        document = expression_document(taken.arrival.seen, taken.body)
        return passes(await self._life.evaluator.evaluate(source.filter, document))

    def _arrival(self, source: EventGridSource, snapshot: Snapshot, event: GridEvent) -> Arrival:
        now, headers = self._life.now(), dict(event.seen.headers)
        if event.traceparent is not None:
            headers["traceparent"] = event.traceparent
        return Arrival(
            id=ids.new(now, self._life.randomness(), self._life.terms.shards),
            at=now,
            source=source,
            snapshot=snapshot,
            request=Request("", headers, {}, event.text),
            seen=event.seen,
            caller=None,
        )

    def _note_unheard(self, why: str) -> None:
        """It is acknowledged all the same, and fires nothing: say so, however many there are."""
        self._unheard += 1
        now = self._life.clock.monotonic()
        if now - self._said_at < SAY_EVERY_SECONDS:
            return
        log.warning("%d events from Event Grid fired nothing and are gone; the last one %s", self._unheard, why)
        self._said_at, self._unheard = now, 0


def _all_failed(source: EventGridSource, error: Invalid) -> list[Line]:
    reason = f"the source's filter: {error}"[:MOST_REASON]
    return [Line(name, Fate.FAILED, reason=reason) for name in source.event_types]
