"""The chain of what people do, as rows: a thousand entries a partition, which its own place in the chain decides.

The head of a partition is replaced under its ETag in the transaction that adds an entry: two processes cannot both add
the next one, and no process can die between the two. A full partition's head stays as it is for good.

Beside the chain, in a partition of its own: attempts that were begun, and of which the chain does not say yet how they
ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hub.errors import Missing
from hub.model.audit import PEOPLE, AuditEntry
from hub.rules import audit_chain
from hub.rules.audit_chain import START, Link, Point
from hub.storage import codec
from hub.storage.keys import AUDIT
from hub.storage.ports import Change, Delete, Insert, Replace, Row, Tables, Value
from hub.storage.removing import remove_unchanged

A_PARTITION: Final = 1000
_HEAD: Final = "head"
"""Sorts behind every entry."""
_POINTER: Final = ("people", "newest")
_ANCHORED: Final = ("people", "anchored")
_PENDING: Final = "pending"


@dataclass(frozen=True, slots=True)
class Head:
    """How far the chain goes, as its newest partition says."""

    point: Point
    partition: int
    etag: str | None
    """None: the partition has no entry yet."""

    @property
    def next_partition(self) -> int:
        """Where the next entry lies."""
        return partition_of(self.point.seq + 1)


@dataclass(frozen=True, slots=True)
class Pending:
    """An attempt that was begun: the entry that it would be, and the version of the row."""

    entry: AuditEntry
    etag: str


class AuditRows:
    """Reads and writes them. Raises what `Tables` raises."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._newest: int | None = None

    async def head(self) -> Head:
        """How far the chain goes. One read; at a process's first, and where a partition has become full, one more."""
        number = await self._pointer() if self._newest is None else self._newest
        found = await self.head_of(number)
        if found is None and number:  # the pointer only helps to begin: it may be wrong, and costs reads then
            number, found = 0, await self.head_of(0)
        while found is not None and found.point.seq == (number + 1) * A_PARTITION:
            following = await self.head_of(number + 1)
            if following is None:
                return found
            number, found = number + 1, following
        self._newest = number
        return found or Head(START, 0, None)

    async def head_of(self, number: int) -> Head | None:
        """The head of one partition."""
        try:
            row = await self._tables.get(AUDIT, _partition(number), _HEAD)
        except Missing:
            return None
        codec.check_format(AUDIT, row.values["format"])
        return Head(Point(int(row.values["seq"]), str(row.values["hash"])), number, row.etag)

    async def add(self, link: Link, head: Head) -> None:
        """Add the entry that follows this head. Raises `Changed`, `Exists` when the chain has gone on since.

        One transaction; for the first entry of a partition one more write.
        """
        number = head.next_partition
        values: dict[str, Value] = {"format": codec.written(), "seq": link.seq, "hash": link.hash}
        guard: Change = Insert(_HEAD, values)
        if head.etag is not None and number == head.partition:
            guard = Replace(_HEAD, values, head.etag)
        await self._tables.transact(AUDIT, _partition(number), [guard, Insert(_key(link.seq), _values(link))])
        if number != head.partition:
            await self._tables.put(AUDIT, *_POINTER, {"format": codec.written(), "partition": number})

    async def get(self, seq: int) -> Link | None:
        """One entry, as it is stored."""
        try:
            number = partition_of(seq)
            return _link(number, await self._tables.get(AUDIT, _partition(number), _key(seq)))
        except Missing:
            return None

    async def page(self, number: int, *, below: int | None = None, limit: int = A_PARTITION) -> list[Link]:
        """Entries of one partition, the newest first: those with a smaller `seq` than `below`."""
        after = "" if below is None or partition_of(below) != number else _key(below)
        rows = await self._tables.query(AUDIT, _partition(number), after=after, before=_HEAD, limit=limit)
        return [_link(number, row) for row in rows]

    async def begin(self, entry: AuditEntry) -> None:
        """Keep what was begun, over what was kept of it before."""
        values: dict[str, Value] = {"format": codec.written(), "entry": audit_chain.encode(entry)}
        await self._tables.put(AUDIT, _PENDING, entry.id, values)

    async def pending(self, before: datetime, limit: int) -> list[Pending]:
        """Attempts that were begun before this time, the oldest first."""
        found = await self._tables.query(AUDIT, _PENDING, limit=limit)
        kept = [Pending(audit_chain.decode(_bytes(row, "entry")), row.etag) for row in found]
        return [each for each in kept if each.entry.at < before]

    async def forget(self, ended: Sequence[Pending]) -> None:
        """Remove these, as far as they are there and unchanged."""
        # Another process may be quicker: the next step looks again.
        await remove_unchanged(self._tables, AUDIT, _PENDING, [Delete(each.entry.id, each.etag) for each in ended])

    async def anchored(self) -> int | None:
        """The hour of the newest anchor, in hours since 1970; None: there is none yet."""
        try:
            row = await self._tables.get(AUDIT, *_ANCHORED)
        except Missing:
            return None
        return int(row.values["hour"])

    async def note_anchored(self, hour: int) -> None:
        """Remember it."""
        await self._tables.put(AUDIT, *_ANCHORED, {"format": codec.written(), "hour": hour})

    async def _pointer(self) -> int:
        """Where to begin to look for the newest partition. It may be behind."""
        try:
            row = await self._tables.get(AUDIT, *_POINTER)
        except Missing:
            return 0
        return int(row.values["partition"])


def partition_of(seq: int) -> int:
    """The number of the partition in which an entry lies."""
    return (seq - 1) // A_PARTITION


def _partition(number: int) -> str:
    return f"{PEOPLE}-{number:08d}"


def _key(seq: int) -> str:
    """The newest first."""
    return f"{A_PARTITION - 1 - (seq - 1) % A_PARTITION:03d}"


def _values(link: Link) -> dict[str, Value]:
    return {
        "format": codec.written(),
        "previous": link.previous,
        "hash": link.hash,
        "entry": link.body,
    }


def _link(number: int, row: Row) -> Link:
    """Its place is what its address says, whatever the row says of itself."""
    codec.check_format(AUDIT, row.values["format"])
    seq = number * A_PARTITION + A_PARTITION - int(row.key)
    return Link(seq, str(row.values["previous"]), str(row.values["hash"]), _bytes(row, "entry"))


def _bytes(row: Row, column: str) -> bytes:
    value = row.values[column]
    assert isinstance(value, bytes)
    return value
