"""Deliveries that came, as rows: what a repeated one is known by, and what the first one came to.

An address is a digest of source and delivery id: nothing of what a caller sends becomes part of a key, and what belongs
to one source never meets another's. There are sixteen partitions, so that upkeep knows all of them without an index.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.model.receipt import Line
from hub.storage import codec
from hub.storage.keys import DELIVERIES
from hub.storage.ports import Delete, Row, Tables, Value
from hub.storage.receipt_codec import decode_lines, encode_lines
from hub.storage.removing import remove_unchanged

SPREAD = "0123456789abcdef"
_COLUMNS = ("format", "expires_at")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery: the ids of its events are derived from its time and shard, and from nothing that may change."""

    at: datetime
    shard: str
    expires_at: datetime
    receipt_id: str | None = None
    """Of the delivery that fired; None: it is under way, or whoever took it crashed before its end."""
    lines: tuple[Line, ...] = ()
    asked: str = ""
    """Of a request under a key: the digest of what was asked for."""
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Old:
    """A row that upkeep looks at."""

    key: str
    etag: str
    expires_at: datetime


def digest(source: str, delivery_id: str) -> str:
    """What a delivery is known by."""
    return hashlib.sha256(f"{source.casefold()}\0{delivery_id}".encode(errors="surrogatepass")).hexdigest()


class DeliveryRows:
    """Reads and writes them. Raises what `Tables` raises."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def insert(self, known_by: str, delivery: Delivery) -> str:
        """Add a delivery, and return its ETag. Raises `Exists`."""
        return await self._tables.insert(DELIVERIES, known_by[0], known_by, _values(delivery))

    async def get(self, known_by: str) -> Delivery:
        """Raises `Missing`."""
        return _delivery(await self._tables.get(DELIVERIES, known_by[0], known_by))

    async def replace(self, known_by: str, delivery: Delivery, etag: str) -> str:
        """Begin anew with a delivery whose time is over. Raises `Changed`, `Missing`."""
        return await self._tables.replace(DELIVERIES, known_by[0], known_by, _values(delivery), etag)

    async def finish(self, known_by: str, receipt_id: str, lines: Sequence[Line], etag: str) -> None:
        """Note what it fired. Raises `Changed`, `Missing`."""
        values: dict[str, Value] = {"receipt_id": receipt_id, "lines": encode_lines(lines)}
        await self._tables.merge(DELIVERIES, known_by[0], known_by, values, etag)

    async def page(self, part: str, *, after: str, limit: int) -> list[Old]:
        """Rows of one partition in the order of their keys."""
        rows = await self._tables.query(DELIVERIES, part, after=after, limit=limit, select=_COLUMNS)
        return [Old(row.key, row.etag, codec.time_of_text(str(row.values["expires_at"]))) for row in rows]

    async def remove(self, part: str, rows: Sequence[Old]) -> None:
        """Remove these, as far as they are there and unchanged."""
        # One that was taken up again meanwhile keeps its batch for the next time.
        await remove_unchanged(self._tables, DELIVERIES, part, [Delete(row.key, row.etag) for row in rows])


def _values(delivery: Delivery) -> dict[str, Value]:
    return {
        "format": codec.written(),
        "at": codec.text_of_time(delivery.at),
        "shard": delivery.shard,
        "expires_at": codec.text_of_time(delivery.expires_at),
        **({"asked": delivery.asked} if delivery.asked else {}),
    }


def _delivery(row: Row) -> Delivery:
    codec.check_format(DELIVERIES, row.values["format"])
    return Delivery(
        at=codec.time_of_text(str(row.values["at"])),
        shard=str(row.values["shard"]),
        expires_at=codec.time_of_text(str(row.values["expires_at"])),
        receipt_id=str(row.values.get("receipt_id", "")) or None,
        lines=decode_lines(row.values.get("lines", b"[]")),
        asked=str(row.values.get("asked", "")),
        etag=row.etag,
    )
