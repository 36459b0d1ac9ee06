"""Rows that are removed together, as far as they are still those that were read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from hub.batches import batches
from hub.errors import Changed, Missing
from hub.storage.limits import MAX_CHANGES
from hub.storage.ports import Delete, Tables


async def remove_unchanged(tables: Tables, table: str, partition: str, rows: Sequence[Delete]) -> None:
    """In as few transactions as it takes. Each removes all of its rows or none: one that has changed keeps the rest."""
    for some in batches(rows, MAX_CHANGES):
        with suppress(Changed, Missing):
            await tables.transact(table, partition, some)
