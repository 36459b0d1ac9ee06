"""Retention: removes events that are settled and older than they are kept. Never on unless a setting says so."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from hub.errors import Changed, Missing
from hub.life.context import LifeContext
from hub.rules import partitions
from hub.rules.partitions import Partition
from hub.storage import keys
from hub.storage.events import Stored

ROWS_A_STEP = 1000


class Retention:
    """Removes a bounded number of events at each step."""

    def __init__(self, context: LifeContext, days: float | None) -> None:
        self._life = context
        self._keep = timedelta(days=days) if days is not None else None

    async def step(self) -> int:
        """The number of events removed. What is not settled, or still owes, stays however old it is."""
        if self._keep is None:
            return 0
        now = self._life.now()
        removed = 0
        newest = partitions.at(now - self._keep + timedelta(hours=1), "")
        for partition in await self._life.partitions.newest_first(after=newest):
            removed += await self._partition(partition, now - self._keep)
            if removed >= ROWS_A_STEP:
                break
        return removed

    async def _partition(self, partition: Partition, before: datetime) -> int:
        removed, after, left = 0, "", 0
        while removed < ROWS_A_STEP:
            page = await self._life.events.list(partition, after=after)
            for stored in page:
                gone = _expired(stored, before) and await self._remove(stored)
                removed += gone
                left += not gone
            if len(page) < ROWS_A_STEP:
                if not left:
                    await self._life.partitions.forget(partition)
                break
            after = page[-1].event.id
        return removed

    async def _remove(self, stored: Stored) -> bool:
        """What hangs on the row first, the row last: a crash between leaves a row that the next step finds again."""
        event = stored.event
        await self._life.logs.remove(event.id)
        await self._life.contents.remove(keys.PAYLOADS, event.payload)
        await self._life.contents.remove(keys.RESULTS, event.result_data)
        await self._life.contents.remove(keys.REQUESTS, event.receipt_body)
        with suppress(Changed, Missing):
            await self._life.events.delete(event.id, stored.etag)
            return True
        return False


def _expired(stored: Stored, before: datetime) -> bool:
    event = stored.event
    return event.settled and event.finished_at is not None and event.finished_at < before
