"""What a received hint leads to, whatever state its event is in: the row decides, the hint only points at it.

A hint is deleted only by who read (or wrote) a final row that owes nothing. One that comes too early is hidden until
its time. An expired lease is taken over at the second sighting: after an outage longer than a lease every holder is
expired at once, and those alive must have the time to renew first.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass

from hub.errors import Changed, Missing, StaleReceipt
from hub.life.claim import Claimer, LostRace
from hub.life.context import LifeContext
from hub.life.debts import Debts
from hub.life.overlap import Overlapped, check_overlap
from hub.life.permits import Later
from hub.life.punctual import check_due
from hub.limits.overflow import queue_of
from hub.model.event import Code, Event, State
from hub.model.snapshot import Snapshot
from hub.rules import lifecycle
from hub.rules.lifecycle import Changes
from hub.rules.resolving import Unresolvable, edges_unclaimed, plan
from hub.rules.standing import void
from hub.rules.waiting import overdue, paused, too_deep
from hub.storage import codec, keys
from hub.storage.codec import Hint, UnknownFormat
from hub.storage.events import Stored
from hub.storage.ports import Message
from hub.wire import Task

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A hint in the hands of the receive loop of one queue, for one sink."""

    queue: str
    message: Message
    hint: Hint
    sink: str


class Redelivery:
    """Follows hints."""

    def __init__(self, context: LifeContext, claimer: Claimer, debts: Debts) -> None:
        self._life = context
        self._claimer = claimer
        self._debts = debts

    async def follow(self, queue: str, message: Message, sink: str) -> Task | None:
        """The task, when the hint led to one for this sink; else None, and the hint is dealt with.

        Raises `Early` when it is to be kept in hand, and followed again in a moment.
        """
        try:
            hint = codec.decode_hint(message.body)
        except UnknownFormat:
            await self._hide_message(queue, message, self._life.terms.no_slot_seconds)
            return None
        except ValueError:
            log.warning("dropped a message that is no hint from queue %s", queue)
            await self._delete_message(queue, message)
            return None
        return await self._look(Delivery(queue, message, hint, sink))

    async def _look(self, delivery: Delivery) -> Task | None:
        try:
            stored = await self._life.events.get(delivery.hint.event_id)
        except Missing:
            await self._row_missing(delivery)
            return None
        state = stored.event.state
        if state.final:
            await self._debts.settle(stored)
            await self._delete(delivery)
            return None
        if state is State.RUNNING:
            return await self._running(delivery, stored)
        if stored.event.queue != delivery.queue:
            await self._moved(delivery, stored.event.queue)
            return None
        return await self._queued(delivery, stored)

    async def _row_missing(self, delivery: Delivery) -> None:
        """Somebody is creating it this moment, or never came to it: only age tells."""
        age = (self._life.clock.now() - delivery.message.inserted_at).total_seconds()
        if age > self._life.terms.orphan_seconds:
            return await self._delete(delivery)
        wait = min(2.0 ** min(delivery.message.dequeue_count - 1, 10), self._life.terms.orphan_seconds / 10)
        return await self._hide(delivery, wait)

    async def _queued(self, delivery: Delivery, stored: Stored, unwritten: Changes | None = None) -> Task | None:
        """A queued event: this sink's, unless something is in the way. `unwritten`: what made it queued just now."""
        unwritten = unwritten or {}
        try:
            return await self._take(delivery, stored, unwritten)
        except Later as later:
            await self._hide(delivery, later.seconds)
        except Unresolvable as why:
            await self._reject(delivery, stored, why, unwritten)
        except LostRace:
            pass  # normal and quiet: the hint stays hidden, and whoever meets it next reads the row
        return None

    async def _take(self, delivery: Delivery, stored: Stored, unwritten: Changes) -> Task | None:
        event = stored.event
        check_due(self._life, event)
        now, snapshot = self._life.now(), await self._standing(event)
        if (why := void(event, snapshot)) is not None:
            raise why
        if (too_many := too_deep(event)) is not None:
            raise Unresolvable(Code.CHAIN_TOO_DEEP, too_many)
        if overdue(event, snapshot, now):
            raise Unresolvable(Code.QUEUE_TIMEOUT, "it waited longer than its queue time-out")
        if paused(event, snapshot, now):
            raise Later(self._life.terms.no_slot_seconds)
        await check_overlap(self._life, event, snapshot)
        todo = plan(event, snapshot, self._life.terms.lease_seconds)
        if queue_of(todo.event_type) != keys.main_of(delivery.queue):
            await self._reroute(delivery, stored, {**unwritten, "queue": self._life.route(todo.event_type)})
            return None
        work = await self._claimer.prepare(event, todo)
        task = await self._claimer.claim(stored, work, delivery.sink, delivery.queue, delivery.message)
        self._life.news.event_moved(event, unwritten)
        return task

    async def _standing(self, event: Event) -> Snapshot:
        """Today's configuration. What a schedule made ahead is not to run if that was changed a second ago."""
        made_ahead = event.schedule is not None and not event.attempt
        return await (self._life.newest() if made_ahead else self._life.configuration())

    async def _reject(self, delivery: Delivery, stored: Stored, why: Unresolvable, unwritten: Changes) -> None:
        snapshot, now = await self._life.configuration(), self._life.now()
        edges, alert = edges_unclaimed(stored.event, snapshot), self._debts.alert(stored.event, now, snapshot)
        changes = lifecycle.reject(stored.event, edges, why.code, str(why), now, alert)
        if isinstance(why, Overlapped):
            changes["previous"] = why.blocker  # the next tick looks there at once
        await self._end(delivery, stored, {**unwritten, **changes})

    async def _end(self, delivery: Delivery, stored: Stored, changes: Changes) -> None:
        try:
            etag = await self._life.events.merge(stored.event.id, changes, stored.etag)
        except (Changed, Missing):
            return
        self._life.news.event_moved(stored.event, changes)
        await self._debts.settle(Stored(lifecycle.apply(stored.event, changes), etag))
        await self._delete(delivery)

    async def _running(self, delivery: Delivery, stored: Stored) -> Task | None:
        event, now = stored.event, self._life.now()
        held = lifecycle.holding(event)
        expires = held.lease_until + self._life.margin()
        if now < expires:
            await self._hide(delivery, (expires - now).total_seconds())
            return None
        if delivery.hint.seen_claim != held.claim_id:
            await self._first_sighting(delivery, event)
            return None
        snapshot = await self._life.configuration()
        policy, alert = snapshot.retry_policy(event.event_type), self._debts.alert(event, now, snapshot)
        changes = lifecycle.lose(held, policy, confirmed=event.confirmed, at=now, alert=alert)
        lost = Stored(lifecycle.apply(event, changes), stored.etag, stored.log_tail)
        if changes["state"] is State.QUEUED:
            # Lost and claimed anew in one write: nobody sees it between.
            return await self._queued(delivery, lost, changes)
        await self._end(delivery, stored, changes)
        return None

    async def _first_sighting(self, delivery: Delivery, event: Event) -> None:
        assert event.claim_id is not None
        lease_seconds = event.attempts[-1].run.lease_seconds if event.attempts else self._life.terms.lease_seconds
        body = codec.encode_hint(Hint(event.id, seen_claim=event.claim_id))
        await self._hide(delivery, self._life.terms.second_sighting(lease_seconds), body)

    async def _reroute(self, delivery: Delivery, stored: Stored, changes: Changes) -> None:
        """Today's configuration sends the event to another queue."""
        with suppress(Changed, Missing):
            await self._life.events.merge(stored.event.id, changes, stored.etag)
            self._life.news.event_moved(stored.event, changes)
            await self._moved(delivery, changes["queue"])

    async def _moved(self, delivery: Delivery, queue: str) -> None:
        """The row names another queue: a hint there first, then this one goes."""
        await self._life.queues.put(queue, codec.encode_hint(Hint(delivery.hint.event_id)))
        self._life.wake(queue)
        await self._delete(delivery)

    async def _hide(self, delivery: Delivery, seconds: float, body: str | None = None) -> None:
        await self._hide_message(delivery.queue, delivery.message, seconds, body)

    async def _delete(self, delivery: Delivery) -> None:
        await self._delete_message(delivery.queue, delivery.message)

    async def _hide_message(self, queue: str, message: Message, seconds: float, body: str | None = None) -> None:
        with suppress(StaleReceipt):
            await self._life.queues.update(queue, message.id, message.receipt, hidden_seconds=seconds, body=body)

    async def _delete_message(self, queue: str, message: Message) -> None:
        with suppress(StaleReceipt):
            await self._life.queues.delete(queue, message.id, message.receipt)
