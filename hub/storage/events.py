"""The rows of events, in the words of the model: each finds its own partition and key from the id."""

from __future__ import annotations

from dataclasses import dataclass

from hub.model.event import Event
from hub.rules import partitions
from hub.rules.lifecycle import Changes
from hub.rules.partitions import Partition
from hub.storage import codec
from hub.storage.keys import EVENTS
from hub.storage.ports import Row, Tables, Value, Values


@dataclass(frozen=True, slots=True)
class Stored:
    """An event as it was read, the ETag of that version, and the log that rode on its completion."""

    event: Event
    etag: str
    log_tail: bytes = b""


class EventRows:
    """Reads and writes events. Raises what `Tables` raises."""

    def __init__(self, tables: Tables, *, announcing: bool = False) -> None:
        """`announcing`: a final event is open until somebody has called `announced`."""
        self._tables = tables
        self._announcing = announcing

    async def insert(self, event: Event) -> str:
        """Add an event and return its ETag. Raises `Exists`."""
        return await self._tables.insert(EVENTS, *_address(event.id), codec.encode_event(event))

    async def get(self, event_id: str) -> Stored:
        """Read one event. Raises `Missing`."""
        return _stored(await self._tables.get(EVENTS, *_address(event_id)))

    async def replace(self, event: Event, etag: str) -> str:
        """Write the whole row of the version read. Raises `Changed`, `Missing`."""
        return await self._tables.replace(EVENTS, *_address(event.id), codec.encode_event(event), etag)

    async def merge(self, event_id: str, changes: Changes, etag: str, *, log_tail: bytes = b"") -> str:
        """Write what a move changes, on the version named, and keep the rest. Raises `Changed`, `Missing`."""
        columns: dict[str, Value] = codec.encode_changes(changes)
        if self._announcing and "state" in changes and changes["state"].final:
            columns |= {codec.UNANNOUNCED: True, codec.OPEN: True}
        elif self._announcing and codec.OPEN in columns:
            # A debt is cleared, unread: whether the end has been announced meanwhile only a reader can tell.
            columns[codec.OPEN] = True
        if log_tail:
            columns[codec.LOG_TAIL] = log_tail
        return await self._tables.merge(EVENTS, *_address(event_id), columns, etag)

    async def announced(self, stored: Stored) -> None:
        """Write that a final event, as it was read, is announced. Raises `Changed`, `Missing`."""
        columns: dict[str, Value] = {codec.OPEN: stored.event.owes is not None}
        if stored.event.unannounced:
            columns[codec.UNANNOUNCED] = False
        await self._tables.merge(EVENTS, *_address(stored.event.id), columns, stored.etag)

    async def delete(self, event_id: str, etag: str) -> None:
        """Remove the version read. Raises `Changed`, `Missing`."""
        await self._tables.delete(EVENTS, *_address(event_id), etag)

    async def list(
        self, partition: Partition, *, after: str = "", limit: int = 1000, where: Values | None = None
    ) -> list[Stored]:
        """Events of one partition, newest first; go on with `after` = the id of the last. Fewer than `limit`: all."""
        after_key = partitions.row_key_of(after) if after else ""
        rows = await self._tables.query(EVENTS, partition.name, after=after_key, limit=limit, where=where)
        return [_stored(row) for row in rows]


def _address(event_id: str) -> tuple[str, str]:
    return partitions.partition_of(event_id).name, partitions.row_key_of(event_id)


def _stored(row: Row) -> Stored:
    tail = row.values.get(codec.LOG_TAIL, b"")
    return Stored(codec.decode_event(row.values), row.etag, tail if isinstance(tail, bytes) else b"")
