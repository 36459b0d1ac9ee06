"""Receipts as they are read: those that lie on events and those that are rows, as one list, the newest first."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from hub.errors import Missing, NotFound
from hub.life.context import LifeContext
from hub.life.newest_first import FIRST_ROWS, MOST_ROWS, MOST_SECONDS, Chunk, Part, walk
from hub.model.event import Content
from hub.model.receipt import KeptBody, Receipt
from hub.rules import ids
from hub.storage import keys
from hub.storage.event_receipts import EventReceipts
from hub.storage.pages import Page
from hub.storage.receipt_codec import decode_receipt
from hub.storage.receipt_rows import ReceiptRows, day_of, first_id_of

_NEWEST: Final = "\x7f"
"""Sorts behind every id."""


@dataclass(frozen=True, slots=True)
class ReceiptPage:
    """What was found, and the id down to which everything was looked at; None: there is nothing older."""

    items: list[Receipt]
    reached: str | None


@dataclass(slots=True)
class _Stream:
    """One of the two places: what has been read of it and not been given out, and how far it was looked through."""

    chunks: AsyncGenerator[Chunk[Receipt], None]
    read: list[Receipt] = field(default_factory=list)
    reached: str = _NEWEST
    """Empty: to its end."""

    async def advance(self) -> int:
        """Read on; how many rows that took."""
        try:
            chunk = await anext(self.chunks)
        except StopAsyncIteration:
            self.reached = ""
            return 0
        self.read += chunk.items
        self.reached = chunk.reached
        return MOST_ROWS if chunk.looked_through else chunk.rows or 1

    def take(self, horizon: str) -> list[Receipt]:
        """What is not older than this."""
        taken = [each for each in self.read if each.id >= horizon]
        self.read = self.read[len(taken) :]
        return taken


class ReceiptList:
    """Reads receipts, as far back as they are kept."""

    def __init__(self, context: LifeContext, rows: ReceiptRows, on_events: EventReceipts, keep: timedelta) -> None:
        self._life = context
        self._rows = rows
        self._on_events = on_events
        self._keep = keep

    async def page(self, source: str, *, after: str | None, limit: int) -> ReceiptPage:
        """At most `limit` receipts of a source, older than the id `after`. Raises `Unavailable`."""
        ends_at = self._life.clock.monotonic() + MOST_SECONDS
        streams = (_Stream(self._walk_events(source, after)), _Stream(self._walk_rows(source, after)))
        oldest = ids.new(self._life.clock.now() - self._keep, 0, 1)
        found: list[Receipt] = []
        seen = 0
        try:
            while True:
                behind = max(streams, key=lambda each: each.reached)
                # Everything newer than where the one that is behind has come to is known of both.
                ready = [each for stream in streams for each in stream.take(behind.reached) if each.id >= oldest]
                found += sorted(ready, key=lambda each: each.id, reverse=True)
                if len(found) >= limit:
                    return ReceiptPage(found[:limit], found[limit - 1].id)
                if not behind.reached:
                    return ReceiptPage(found, None)
                if seen >= MOST_ROWS or (seen and self._life.clock.monotonic() >= ends_at):
                    return ReceiptPage(found, behind.reached)
                seen += await behind.advance()
        finally:
            for stream in streams:
                await stream.chunks.aclose()

    async def get(self, source: str, receipt_id: str) -> Receipt:
        """One receipt. Raises `NotFound`."""
        return (await self._find(source, receipt_id))[0]

    async def body(self, source: str, receipt_id: str) -> tuple[Receipt, bytes | None]:
        """One receipt with the request's body, as far as it was kept. Raises `NotFound`."""
        receipt, container, content = await self._find(source, receipt_id)
        if content is None:
            return receipt, None
        try:
            return receipt, await self._life.contents.load(container, content)
        except Missing:
            raise _gone(receipt_id) from None

    async def _find(self, source: str, receipt_id: str) -> tuple[Receipt, str, Content | None]:
        """A receipt, and where the request's body is."""
        if ids.time_of(receipt_id) < self._life.clock.now() - self._keep:
            raise _gone(receipt_id)
        try:
            stored = await self._rows.get(source, receipt_id)
            return stored.receipt, keys.REQUESTS, stored.body
        except Missing:
            pass
        try:
            event = (await self._life.events.get(receipt_id)).event
        except Missing:
            raise _gone(receipt_id) from None
        if event.receipt is None or event.receipt_of != source.casefold():
            raise _gone(receipt_id)
        receipt = decode_receipt(event.receipt)
        if receipt.body is KeptBody.PAYLOAD:
            return receipt, keys.PAYLOADS, event.payload
        return receipt, keys.REQUESTS, event.receipt_body

    def _walk_events(self, source: str, after: str | None) -> AsyncGenerator[Chunk[Receipt], None]:
        async def read(part: Part) -> Page[Receipt]:
            return await self._on_events.page(
                source, part.partition, after=part.after, limit=part.limit, most=part.most
            )

        return walk(self._life.partitions, read, after, self._life.clock.now() - self._keep)

    async def _walk_rows(self, source: str, after: str | None) -> AsyncGenerator[Chunk[Receipt], None]:
        now = self._life.clock.now()
        day = day_of(ids.time_of(after) if after else now + timedelta(hours=1))  # another hub's clock may be ahead
        while day >= day_of(now - self._keep):
            page = await self._rows.page(source, day, after=after or "", limit=FIRST_ROWS)
            more = len(page) == FIRST_ROWS
            after = page[-1].id if more else first_id_of(day)
            yield Chunk(page, after, len(page) or 1)
            day -= 0 if more else 1


def _gone(receipt_id: str) -> NotFound:
    what = "or it is older than receipts are kept, or retention took it with the event that it lay on"
    return NotFound(f"there is no receipt {receipt_id} of this source, {what}")
