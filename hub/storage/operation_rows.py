"""Operations, as rows: all in one partition, the newest first."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hub.errors import Changed, Missing
from hub.model.operation import Operation, OperationState
from hub.rules import ids
from hub.rules.partitions import row_key_of
from hub.storage import codec
from hub.storage.keys import UPKEEP
from hub.storage.ports import Row, Tables, Value

_PARTITION: Final = "operations"
_EXPIRED_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class StoredOperation:
    """An operation as it was read."""

    operation: Operation
    etag: str


class OperationRows:
    """Reads and writes them. Raises what `Tables` raises."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def insert(self, operation: Operation) -> None:
        """Raises `Exists`."""
        await self._tables.insert(UPKEEP, _PARTITION, row_key_of(operation.id), _values(operation))

    async def get(self, operation_id: str) -> StoredOperation:
        """Raises `Missing`."""
        return _stored(await self._tables.get(UPKEEP, _PARTITION, row_key_of(operation_id)))

    async def replace(self, operation: Operation, etag: str) -> StoredOperation:
        """Raises `Changed`, `Missing`."""
        key = row_key_of(operation.id)
        return StoredOperation(operation, await self._tables.replace(UPKEEP, _PARTITION, key, _values(operation), etag))

    async def open(self, limit: int) -> list[StoredOperation]:
        """Those that are not over. One operation of storage."""
        rows = await self._tables.query(UPKEEP, _PARTITION, where={"open": True}, limit=limit)
        return [_stored(row) for row in rows]

    async def page(self, *, after: str | None, limit: int) -> list[Operation]:
        """The newest first, those older than the id `after`."""
        key = row_key_of(after) if after is not None else ""
        rows = await self._tables.query(UPKEEP, _PARTITION, after=key, limit=limit)
        return [_stored(row).operation for row in rows]

    async def expire(self, before: datetime) -> None:
        """Remove some of those that are over and were begun before this time."""
        key = row_key_of(ids.new(before, 0, 1))
        rows = await self._tables.query(
            UPKEEP, _PARTITION, after=key, where={"open": False}, limit=_EXPIRED_AT_ONCE, select=("open",)
        )
        for row in rows:
            with suppress(Missing, Changed):  # somebody else has removed it
                await self._tables.delete(UPKEEP, _PARTITION, row.key, row.etag)


def _values(operation: Operation) -> dict[str, Value]:
    return {
        "format": codec.written(),
        "open": operation.state is OperationState.RUNNING,
        "document": operation.model_dump_json(exclude_defaults=True),
    }


def _stored(row: Row) -> StoredOperation:
    codec.check_format(UPKEEP, row.values["format"])
    return StoredOperation(Operation.model_validate_json(str(row.values["document"])), row.etag)
