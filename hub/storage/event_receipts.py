"""Receipts that lie on the events they fired, as lists show them: without payloads, bodies and attempts."""

from __future__ import annotations

from typing import Final

from hub.model.receipt import Receipt
from hub.rules.partitions import Partition
from hub.storage import codec
from hub.storage.keys import EVENTS
from hub.storage.pages import Page, id_reached, key_behind
from hub.storage.ports import Tables
from hub.storage.receipt_codec import decode_receipt

_COLUMNS: Final = ("format", "receipt")


class EventReceipts:
    """Reads them. Raises what `Tables` raises, and `UnknownFormat`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def page(self, source: str, partition: Partition, *, after: str, limit: int, most: int) -> Page[Receipt]:
        """Receipts of one source in one partition, newest first, older than the id `after`, among about `most`."""
        found = await self._tables.search(
            EVENTS,
            partition.name,
            where={"receipt_of": source.casefold()},
            after=key_behind(after),
            limit=limit,
            most=most,
            select=_COLUMNS,
        )
        for row in found.rows:
            codec.check_format(EVENTS, row.values.get("format"))
        receipts = [decode_receipt(row.values["receipt"]) for row in found.rows]
        return Page(receipts, len(receipts), id_reached(found.reached))
