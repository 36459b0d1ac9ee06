"""Rerun: a final event once more, as another event with the same payload.

The payload is copied, so that retention, which takes the old event first, takes nothing that the new one needs. Who
names a key may ask again until answered: the id of the rerun is written on the event's row before the rerun is made.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from hub.errors import Changed, Missing, NotFound, Rejected
from hub.life.context import LifeContext
from hub.life.create import Creator, NewEvent
from hub.limits.depth import QueueDepths
from hub.model.configuration import EventType, SourceKind
from hub.model.event import Event
from hub.rules import ids
from hub.rules.rerunning import Rerun, RerunAs, asked_before, noted, recorded_of
from hub.storage import keys
from hub.storage.events import Stored


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to be run again."""

    event_id: str
    how: RerunAs
    key: str | None = None
    """Drawn by the caller: asking again under the same key makes no second rerun, for a day."""
    traceparent: str | None = None
    correlation_id: str | None = None
    """None: that of the event."""
    new_id: str | None = None
    """Derived by who asks, in place of a key: asking again meets the same rerun."""


class Reruns:
    """Runs events again."""

    def __init__(self, context: LifeContext, creator: Creator, depths: QueueDepths) -> None:
        self._life = context
        self._creator = creator
        self._depths = depths

    async def rerun(self, wish: Wish) -> Event:
        """The new event, durable.

        Raises `NotFound`, `Rejected` when it cannot be run again, `TooMany` while its queue is full, `NoRoom`,
        `Unavailable`.
        """
        self._life.check_room()
        stored = await self._read(wish.event_id)
        event = stored.event
        if not event.state.final:
            raise Rejected("it has not ended yet: cancel it first, or wait for its end")
        new = NewEvent(
            event_type=await self._event_type(event),
            source_kind=SourceKind.MANUAL,
            payload=await self._payload(event),
            rerun_of=event.id,
            silent=event.silent,
            recorded=recorded_of(event) if wish.how is RerunAs.RECORDED else None,
            traceparent=wish.traceparent,
            correlation_id=wish.correlation_id or event.correlation_id,
            id=wish.new_id if wish.key is None else await self._reserve(stored, wish.how, wish.key),
        )
        created = await self._creator.create(new)
        # Under a key it may have been made before, and have gone on since.
        return created if wish.key is None else (await self._read(created.id)).event

    async def _reserve(self, stored: Stored, how: RerunAs, key: str) -> str:
        """The id of the rerun asked for under this key, which stands on the event's row from now on."""
        digest = hashlib.sha256(key.encode()).hexdigest()[:32]
        while True:
            now = self._life.now()
            before = asked_before(stored.event, digest, now)
            if before is not None:
                if before.how is not how:
                    raise Rejected(f"under this key it was run again as {before.how}, not as {how}: use another key")
                return before.event_id
            rerun = Rerun(digest, ids.new(now, self._life.randomness(), self._life.terms.shards), how)
            try:
                await self._life.events.merge(stored.event.id, {"reruns": noted(stored.event, rerun)}, stored.etag)
            except (Changed, Missing):
                stored = await self._read(stored.event.id)  # it may say that it was our own write
            else:
                return rerun.event_id

    async def _read(self, event_id: str) -> Stored:
        try:
            return await self._life.events.get(event_id)
        except Missing:
            raise NotFound(f"there is no event {event_id}") from None

    async def _event_type(self, event: Event) -> EventType:
        """Of which the rerun is, with room on its queue."""
        snapshot = await self._life.configuration()
        found = snapshot.event_type(event.event_type)
        if found is None:
            raise Rejected(f"there is no event type {event.event_type} any more")
        if not found.enabled:
            raise Rejected(f"{found.name} is disabled")
        await self._depths.check([found], snapshot)
        return found

    async def _payload(self, event: Event) -> bytes:
        try:
            return await self._life.contents.load(keys.PAYLOADS, event.payload)
        except Missing:
            raise Rejected("its payload is not in storage any more") from None
