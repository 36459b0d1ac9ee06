"""Create: the row and its hint, both there before anybody is told that the event exists."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from hub.concurrency import together
from hub.errors import Exists, Unavailable
from hub.life.context import LifeContext
from hub.life.punctual import early_seconds
from hub.limits.overflow import queue_of
from hub.model.configuration import EventType, SourceKind
from hub.model.event import Event
from hub.rules import ids, partitions
from hub.rules.alerts import is_reserved
from hub.storage import codec, keys


@dataclass(frozen=True, slots=True)
class NewEvent:
    """What a source says of the event it fires."""

    event_type: EventType
    source_kind: SourceKind
    payload: bytes
    """JSON text."""
    payload_name: str | None = None
    """Of the payload's blob, if it needs one: given when two tries may bring different payloads. Else the id."""
    source: str | None = None
    id: str | None = None
    """Given when the same event could be produced twice: derived from what is stored. Else a fresh one is drawn."""
    not_before: datetime | None = None
    on_time: bool = False
    """It must run at `not_before` and no second later: it is no flood, however many come with it."""
    schedule: str | None = None
    """The definition of the schedule that makes it."""
    previous: str | None = None
    parent_id: str | None = None
    root_id: str | None = None
    depth: int = 0
    traceparent: str | None = None
    correlation_id: str | None = None
    receipt_id: str | None = None
    receipt: CarriedReceipt | None = None
    replay_of: str | None = None
    rerun_of: str | None = None
    silent: bool = False
    """Nobody is alerted of what becomes of it, as of any alert."""
    recorded: bytes | None = None
    """What it runs instead of what is configured, as `Event.recorded`."""


@dataclass(frozen=True, slots=True)
class CarriedReceipt:
    """The receipt of the request that fires it, when this event is the one that carries it."""

    receipt: bytes
    """JSON text."""
    source: str
    """In small letters."""
    body: bytes | None
    """The request's body, unless it is the payload."""
    body_name: str
    """Of the blob, if it needs one: the same for the same event and body."""


@dataclass(frozen=True, slots=True)
class Created:
    """An event that is durable, and whether it was not there before."""

    event: Event
    new: bool


class Creator:
    """Makes events durable. Acknowledge the caller only after `create` has returned."""

    def __init__(self, context: LifeContext) -> None:
        self._life = context

    async def create(self, new: NewEvent) -> Event:
        """The event, stored and hinted at. Doing it again with the same id changes nothing.

        Raises `Unavailable` when storage did not confirm all of it in time; it may still come to be.
        """
        return (await self.find_or_create(new)).event

    async def find_or_create(self, new: NewEvent) -> Created:
        """The same, and whether this call made it. Not new may also be what an earlier, unanswered try has made."""
        event_id = new.id or ids.new(self._life.clock.now(), self._life.randomness(), self._life.terms.shards)
        try:
            async with asyncio.timeout(self._life.terms.create_seconds):
                event = await self._event(event_id, new)
                inserted = await self._store(event)
        except TimeoutError as error:
            raise Unavailable from error
        if self._hidden_seconds(event) == 0:
            self._life.wake(event.queue)
        return Created(event, inserted)

    async def _event(self, event_id: str, new: NewEvent) -> Event:
        payload = await self._life.contents.store(keys.PAYLOADS, new.payload_name or event_id, new.payload)
        carried = new.receipt
        body = None
        if carried is not None and carried.body is not None:
            body = await self._life.contents.store(keys.REQUESTS, carried.body_name, carried.body)
        return Event.model_construct(
            id=event_id,
            event_type=new.event_type.name,
            sink_type=new.event_type.sink_type,
            queue=queue_of(new.event_type) if new.on_time else self._life.route(new.event_type),
            source_kind=new.source_kind,
            source=new.source,
            payload=payload,
            created_at=self._life.now(),
            not_before=new.not_before,
            parent_id=new.parent_id,
            root_id=new.root_id or event_id,
            depth=new.depth,
            traceparent=new.traceparent,
            correlation_id=new.correlation_id,
            receipt_id=new.receipt_id,
            receipt=carried.receipt if carried else None,
            receipt_of=carried.source if carried else None,
            receipt_body=body,
            replay_of=new.replay_of,
            schedule=new.schedule,
            previous=new.previous,
            rerun_of=new.rerun_of,
            recorded=new.recorded,
            silent=new.silent or is_reserved(new.event_type.name),
        )

    async def _store(self, event: Event) -> bool:
        """Whether the row was not there before."""
        partition = partitions.partition_of(event.id)
        registering = self._life.partitions.register(partition)
        inserted, *_ = await together(self._insert(event), self._put_hint(event), registering)
        await self._life.partitions.inserted(partition, self._life.clock.now())
        return bool(inserted)

    async def _insert(self, event: Event) -> bool:
        # A row that is there already is this event, from an attempt that was not acknowledged: its hint may be missing.
        try:
            await self._life.events.insert(event)
        except Exists:
            return False
        self._life.news.fired(event)
        return True

    async def _put_hint(self, event: Event) -> None:
        body = codec.encode_hint(codec.Hint(event.id))
        await self._life.queues.put(event.queue, body, hidden_seconds=self._hidden_seconds(event))

    def _hidden_seconds(self, event: Event) -> float:
        if event.not_before is None:
            return 0.0
        return max(0.0, (event.not_before - self._life.clock.now()).total_seconds() - early_seconds(event))
