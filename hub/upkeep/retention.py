"""Retention: removes events that are settled and older than they are kept. Never on unless a setting says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hub.life.context import LifeContext
from hub.rules import ids, partitions
from hub.rules.partitions import Partition
from hub.storage import keys
from hub.storage.partition_index import Indexed
from hub.storage.upkeep_rows import OldEvent, Reached, UpkeepRows

PAGE: Final = 500
REMOVED_A_STEP: Final = 10_000
LOOKED_AT_A_STEP: Final = 50_000
STEP_SECONDS: Final = 20.0
"""A step ends after so many, and the next goes on there: what has to stay does not keep what is older from going."""
AT_ONCE: Final = 16
"""Events whose logs and blobs are removed side by side."""


@dataclass(slots=True)
class _Walk:
    """One step."""

    before: datetime
    """What ended before this is not kept."""
    ends_at: float
    looked_at: int = 0
    removed: int = 0


class Retention:
    """Removes a bounded number of events at each step."""

    def __init__(self, context: LifeContext, rows: UpkeepRows, days: float | None) -> None:
        self._life = context
        self._rows = rows
        self._keep = timedelta(days=days) if days is not None else None

    async def step(self) -> int:
        """The number of events removed. What is not settled, or still owes, stays however old it is."""
        if self._keep is None:
            return 0
        walk = _Walk(self._life.now() - self._keep, self._life.clock.monotonic() + STEP_SECONDS)
        begins_after = await self._rows.reached()
        ends_after: Reached | None = None
        async for indexed, after in self._expired(walk, begins_after):
            stopped_at = await self._partition(indexed, after, walk)
            if stopped_at is not None:
                ends_after = Reached(indexed.partition.name, stopped_at)
                break
        if ends_after != begins_after:
            await self._rows.write_reached(ends_after)
        return walk.removed

    async def _expired(self, walk: _Walk, begins_after: Reached | None) -> AsyncIterator[tuple[Indexed, str]]:
        """The partitions that are old enough, the newest first, from where the last step stopped."""
        last = partitions.at(walk.before + timedelta(hours=1), "")
        if begins_after is not None:
            last = partitions.parse(begins_after.partition)
            yield Indexed(last, settled=False, etag=""), begins_after.after
        async for indexed in self._life.partitions.walk(after=last):
            yield indexed, ""

    async def _partition(self, indexed: Indexed, after: str, walk: _Walk) -> str | None:
        """Remove what may go; the id of the last event looked at when the step is over with this one."""
        partition, whole, left = indexed.partition, not after, False
        while True:
            page = await self._rows.all(partition, after=after, limit=PAGE)
            gone = [each for each in page if _expired(each, walk.before)]
            removed = await self._remove(partition, gone)
            left = left or removed < len(page)
            walk.removed += removed
            walk.looked_at += len(page)
            if len(page) < PAGE:
                break
            after = page[-1].id
            if self._is_over(walk):
                return after
        if whole and not left:
            await self._life.partitions.forget(indexed)
        return ids.new(partition.begins, 0, 1) if self._is_over(walk) else None

    def _is_over(self, walk: _Walk) -> bool:
        over = walk.removed >= REMOVED_A_STEP or walk.looked_at >= LOOKED_AT_A_STEP
        return over or self._life.clock.monotonic() >= walk.ends_at

    async def _remove(self, partition: Partition, gone: Sequence[OldEvent]) -> int:
        """What hangs on the rows first, the rows last: a crash between leaves rows that the next step finds again."""
        for start in range(0, len(gone), AT_ONCE):
            await asyncio.gather(*(self._strip(each) for each in gone[start : start + AT_ONCE]))
        return await self._rows.delete(partition, gone)

    async def _strip(self, event: OldEvent) -> None:
        await self._life.logs.remove(event.id)
        blobs = (
            (keys.PAYLOADS, event.payload_blob),
            (keys.RESULTS, event.result_blob),
            (keys.REQUESTS, event.request_blob),
        )
        for container, blob in blobs:
            if blob is not None:
                await self._life.contents.remove(container, blob)


def _expired(event: OldEvent, before: datetime) -> bool:
    return event.settled and event.finished_at is not None and event.finished_at < before
