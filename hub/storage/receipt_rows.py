"""Receipts as rows of their own: of requests that fired nothing. Those that fired lie on their events.

A partition is one day of a sixteenth of the sources; inside, a source's receipts are in a row, the newest first. So
listing one source reads a range of a partition for each day, and what is out of its time goes by whole partitions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hub.errors import Exists
from hub.model.event import Content
from hub.model.receipt import Receipt
from hub.rules import ids
from hub.storage import codec
from hub.storage.keys import RECEIPTS
from hub.storage.ports import Delete, Row, Tables, Value
from hub.storage.receipt_codec import decode_receipt, encode_receipt
from hub.storage.removing import remove_unchanged

SPREAD = "0123456789abcdef"
"""The sixteenths."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """A receipt, and the request's body if it is kept beside it."""

    receipt: Receipt
    body: Content | None


@dataclass(frozen=True, slots=True)
class Expired:
    """A row that may go: its key, the version read, and the blob that hangs on it."""

    key: str
    etag: str
    blob: str


class ReceiptRows:
    """Reads and writes them. Raises what `Tables` raises."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def add(self, receipt: Receipt, body: Content | None = None) -> None:
        """Write a receipt once."""
        with suppress(Exists):
            await self._tables.insert(RECEIPTS, *_address(receipt.source, receipt.id), _values(receipt, body))

    async def put(self, receipt: Receipt) -> None:
        """Write a receipt over what it said before: one that counts."""
        await self._tables.put(RECEIPTS, *_address(receipt.source, receipt.id), _values(receipt, None))

    async def get(self, source: str, receipt_id: str) -> StoredReceipt:
        """One receipt. Raises `Missing`."""
        return _stored(await self._tables.get(RECEIPTS, *_address(source, receipt_id)))

    async def page(self, source: str, day: int, *, after: str, limit: int) -> list[Receipt]:
        """A source's receipts of one day, newest first, those older than the id `after`; fewer than `limit`: all."""
        owner = _owner(source)
        rows = await self._tables.query(
            RECEIPTS,
            _partition(day, owner[0]),
            after=f"{owner}-{ids.inverted(after) if after else ''}",
            before=f"{owner}.",
            limit=limit,
            select=["format", "receipt"],
        )
        return [_receipt(row) for row in rows]

    async def expired(self, day: int, part: str, limit: int) -> list[Expired]:
        """Rows of a day that is over, of any source."""
        found = await self._tables.query(RECEIPTS, _partition(day, part), limit=limit, select=["format", "body_blob"])
        return [Expired(row.key, row.etag, str(row.values.get("body_blob", ""))) for row in found]

    async def remove(self, day: int, part: str, rows: Sequence[Expired]) -> None:
        """Remove these, as far as they are there and unchanged."""
        # Another process that is at the same rows may be quicker, and goes on with the next.
        deletes = [Delete(row.key, row.etag) for row in rows]
        await remove_unchanged(self._tables, RECEIPTS, _partition(day, part), deletes)


def day_of(moment: datetime) -> int:
    """Days since 1970."""
    return (moment - _EPOCH) // timedelta(days=1)


def first_id_of(day: int) -> str:
    """What comes before every id of this day."""
    return ids.new(_EPOCH + timedelta(days=day), 0, 1)


def _address(source: str, receipt_id: str) -> tuple[str, str]:
    owner = _owner(source)
    return _partition(day_of(ids.time_of(receipt_id)), owner[0]), f"{owner}-{ids.inverted(receipt_id)}"


def _owner(source: str) -> str:
    """A source in a key, whatever its name holds."""
    return hashlib.sha256(source.casefold().encode()).hexdigest()[:16]


def _partition(day: int, part: str) -> str:
    return f"{day:06d}-{part}"


def _values(receipt: Receipt, body: Content | None) -> dict[str, Value]:
    values: dict[str, Value] = {
        "format": codec.written(),
        "receipt": encode_receipt(receipt),
    }
    return values if body is None else {**values, **codec.content_columns("body", body)}


def _stored(row: Row) -> StoredReceipt:
    return StoredReceipt(_receipt(row), codec.content_of("body", row.values))


def _receipt(row: Row) -> Receipt:
    codec.check_format(RECEIPTS, row.values["format"])
    return decode_receipt(row.values["receipt"])
