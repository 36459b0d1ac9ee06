"""Deduplication: one delivery fires its events once, however often it comes, and wherever a hub dies meanwhile.

The first delivery leaves a row before anything else. The ids of its events are derived from that row, so a second one
that comes after a crash, or at the same time in another process, makes the very same events. Once they are durable the
row says which they are, and from then on a repeated delivery creates nothing: events that retention has removed since
do not come back.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from hub.errors import Changed, Exists, Invalid, Missing
from hub.life.context import LifeContext
from hub.model.receipt import Fate, Line
from hub.model.verification import Dedupe
from hub.rules import ids, strict_json
from hub.sources.arrival import Arrival, Taken
from hub.sources.firing import Fired, Firing
from hub.sources.request import expression_document
from hub.storage.delivery_rows import Delivery, DeliveryRows, digest

EARLIER: Final = "fired by an earlier delivery"
NO_ID: Final = "not deduplicated: the request says no delivery id"


@dataclass(frozen=True, slots=True)
class Met:
    """The row that a delivery left or found."""

    known_by: str
    delivery: Delivery

    def event_id(self, event_type: str) -> str:
        """The id of the event that this delivery fires of this type."""
        return self._derived("delivery", event_type.casefold())

    @property
    def unfired_id(self) -> str:
        """The id of its receipt if it fires nothing: the same whenever it comes."""
        return self._derived("receipt")

    def _derived(self, what: str, *which: str) -> str:
        return ids.derived(self.delivery.at, what, self.known_by, *which, shard=self.delivery.shard)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a delivery."""

    met: Met | None = None
    """None: it cannot be told from others, or need not be."""
    note: str | None = None
    """Why it cannot."""

    @property
    def receipt_id(self) -> str | None:
        """The receipt of an earlier delivery of the same that fired events."""
        return self.met.delivery.receipt_id if self.met is not None else None

    @property
    def lines(self) -> list[Line]:
        """What is told of each event type when the delivery comes again."""
        return repeated(self.met.delivery.lines) if self.met is not None else []

    def noted(self, taken: Taken) -> Taken:
        """The request with what its receipt should say."""
        return replace(taken, note=self.note) if self.note is not None else taken


class Deduplication:
    """Tells deliveries that came before."""

    def __init__(self, context: LifeContext, rows: DeliveryRows) -> None:
        self._life = context
        self._rows = rows

    async def meet(self, taken: Taken, dedupe: Dedupe | None) -> Known:
        """What is known of this delivery; its row is there now. Raises `Unavailable`."""
        if dedupe is None:
            return Known()
        try:
            delivery_id = await self._delivery_id(dedupe, taken)
        except Invalid as error:  # refused, the delivery would be lost; let in, it may only be fired twice
            return Known(note=f"not deduplicated: {error}")
        if delivery_id is None:
            return Known(note=NO_ID)
        return Known(await self.meet_named(taken.arrival, delivery_id, dedupe.hours))

    async def meet_named(self, arrival: Arrival, delivery_id: str, hours: int) -> Met:
        """The row of a source's delivery, known by this id for so long. Raises `Unavailable`."""
        return await self._row(hours, arrival, digest(arrival.source.name, delivery_id))

    async def fire(self, firing: Firing, taken: Taken, met: Met) -> Fired:
        """Fire what it fires, and note it: from then on it is a repetition. Raises what `Firing.fire` raises.

        Not `new`: the same delivery is under way elsewhere, or was before a crash. One that fires nothing stays open:
        sent again, it is asked again.
        """
        fired = await firing.fire(taken, met.event_id)
        if fired.event is not None:
            with suppress(Changed, Missing):  # who met the same delivery has said so already
                await self._rows.finish(met.known_by, fired.receipt_id, fired.lines, met.delivery.etag)
        return fired

    async def _delivery_id(self, dedupe: Dedupe, taken: Taken) -> str | None:
        """What the request says it is; None: nothing."""
        if dedupe.header is not None:
            found = taken.arrival.request.headers.get(dedupe.header.lower(), "")
            return f"header {dedupe.header.lower()} {found}" if found else None
        assert dedupe.path is not None, "the document was checked"
        document = expression_document(taken.arrival.seen, taken.body)
        value = await self._life.evaluator.evaluate(dedupe.path, document)
        return None if value is None else f"path {strict_json.write(value).decode()}"

    async def _row(self, hours: int, arrival: Arrival, known_by: str) -> Met:
        mine = Delivery(arrival.at, ids.shard_of(arrival.id), arrival.at + timedelta(hours=hours))
        while True:
            with suppress(Exists):
                return Met(known_by, replace(mine, etag=await self._rows.insert(known_by, mine)))
            with suppress(Missing, Changed):  # upkeep removed it, or somebody else took it over: look again
                found = await self._rows.get(known_by)
                if arrival.at < found.expires_at:
                    return Met(known_by, found)
                return Met(known_by, replace(mine, etag=await self._rows.replace(known_by, mine, found.etag)))


def repeated(lines: Sequence[Line]) -> list[Line]:
    """What is told of each event type when a delivery comes again."""
    return [replace(line, fate=Fate.DUPLICATE, reason=EARLIER) if line.event_id is not None else line for line in lines]
