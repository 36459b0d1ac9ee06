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
        seed = ("delivery", self.known_by, event_type.casefold())
        return ids.derived(self.delivery.at, *seed, shard=self.delivery.shard)


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

    async def meet(self, taken: Taken) -> Known:
        """What is known of this delivery; its row is there now. Raises `Unavailable`."""
        dedupe = taken.arrival.source.dedupe
        if dedupe is None:
            return Known()
        try:
            delivery_id = await self._delivery_id(dedupe, taken)
        except Invalid as error:  # refused, the delivery would be lost; let in, it may only be fired twice
            return Known(note=f"not deduplicated: {error}")
        if delivery_id is None:
            return Known(note=NO_ID)
        return Known(await self._row(dedupe, taken.arrival, digest(taken.arrival.source.name, delivery_id)))

    async def finish(self, met: Met, receipt_id: str, lines: Sequence[Line]) -> None:
        """Its events are durable: say so. Raises `Unavailable`."""
        with suppress(Changed, Missing):  # who met the same delivery has said so already
            await self._rows.finish(met.known_by, receipt_id, lines, met.delivery.etag)

    async def _delivery_id(self, dedupe: Dedupe, taken: Taken) -> str | None:
        """What the request says it is; None: nothing."""
        if dedupe.header is not None:
            found = taken.arrival.request.headers.get(dedupe.header.lower(), "")
            return f"header {dedupe.header.lower()} {found}" if found else None
        assert dedupe.path is not None, "the document was checked"
        document = expression_document(taken.arrival.seen, taken.body)
        value = await self._life.evaluator.evaluate(dedupe.path, document)
        return None if value is None else f"path {strict_json.write(value).decode()}"

    async def _row(self, dedupe: Dedupe, arrival: Arrival, known_by: str) -> Met:
        mine = Delivery(arrival.at, ids.shard_of(arrival.id), arrival.at + timedelta(hours=dedupe.hours))
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
