"""Create: the row and its hint, both there before anybody is told that the event exists."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from hub.concurrency import together
from hub.errors import Exists, Unavailable
from hub.life.context import LifeContext
from hub.model.configuration import EventType, SourceKind
from hub.model.event import Event
from hub.rules import ids, partitions
from hub.storage import codec, keys


@dataclass(frozen=True, slots=True)
class NewEvent:
    """What a source says of the event it fires."""

    event_type: EventType
    source_kind: SourceKind
    payload: bytes
    """JSON text."""
    source: str | None = None
    id: str | None = None
    """Given when the same event could be produced twice: derived from what is stored. Else a fresh one is drawn."""
    not_before: datetime | None = None
    parent_id: str | None = None
    root_id: str | None = None
    depth: int = 0
    traceparent: str | None = None
    correlation_id: str | None = None


def queue_of(event_type: EventType) -> str:
    """The queue on which an EventType's events wait."""
    if event_type.sink is not None:
        return keys.queue_of_sink(event_type.sink)
    return keys.queue_of_sink_type(event_type.sink_type)


class Creator:
    """Makes events durable. Acknowledge the caller only after `create` has returned."""

    def __init__(self, context: LifeContext) -> None:
        self._life = context

    async def create(self, new: NewEvent) -> Event:
        """The event, stored and hinted at. Doing it again with the same id changes nothing.

        Raises `Unavailable` when storage did not confirm all of it in time; it may still come to be.
        """
        event_id = new.id or ids.new(self._life.clock.now(), self._life.randomness(), self._life.terms.shards)
        try:
            async with asyncio.timeout(self._life.terms.create_seconds):
                event = await self._event(event_id, new)
                await self._store(event)
        except TimeoutError as error:
            raise Unavailable from error
        if event.not_before is None:
            self._life.wake(event.queue)
        return event

    async def _event(self, event_id: str, new: NewEvent) -> Event:
        payload = await self._life.contents.store(keys.PAYLOADS, event_id, new.payload)
        return Event.model_construct(
            id=event_id,
            event_type=new.event_type.name,
            sink_type=new.event_type.sink_type,
            queue=queue_of(new.event_type),
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
        )

    async def _store(self, event: Event) -> None:
        partition = partitions.partition_of(event.id)
        await together(self._insert(event), self._put_hint(event), self._life.partitions.register(partition))
        await self._life.partitions.inserted(partition, self._life.clock.now())

    async def _insert(self, event: Event) -> None:
        # A row that is there already is this event, from an attempt that was not acknowledged: its hint may be missing.
        with suppress(Exists):
            await self._life.events.insert(event)
            self._life.news.fired(event)

    async def _put_hint(self, event: Event) -> None:
        hidden = 0.0
        if event.not_before is not None:
            hidden = max(0.0, (event.not_before - self._life.clock.now()).total_seconds())
        body = codec.encode_hint(codec.Hint(event.id))
        await self._life.queues.put(event.queue, body, hidden_seconds=hidden)
