"""Receipts that lie on the events they fired, as lists show them: without payloads, bodies and attempts."""

from __future__ import annotations

from typing import Final

from hub.model.receipt import Receipt
from hub.rules import partitions
from hub.rules.partitions import Partition
from hub.storage import codec
from hub.storage.keys import EVENTS
from hub.storage.ports import Tables
from hub.storage.receipt_codec import decode_receipt

_COLUMNS: Final = ("format", "receipt")


class EventReceipts:
    """Reads them. Raises what `Tables` raises, and `UnknownFormat`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def page(self, source: str, partition: Partition, *, after: str, limit: int) -> list[Receipt]:
        """Receipts of one source in one partition, newest first, older than the id `after`; fewer than `limit`: all."""
        rows = await self._tables.query(
            EVENTS,
            partition.name,
            after=partitions.row_key_of(after) if after else "",
            limit=limit,
            select=_COLUMNS,
            where={"receipt_of": source.casefold()},
        )
        for row in rows:
            codec.check_format(row.values.get("format"))
        return [decode_receipt(row.values["receipt"]) for row in rows]
