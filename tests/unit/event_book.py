"""Events put into storage directly, at any time, and their list."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from hub.life.listing import Listing, Wanted
from hub.model.configuration import SourceKind
from hub.model.event import Content, Event
from hub.rules import ids
from hub.rules.partitions import partition_of
from hub.storage.events import EventRows
from hub.storage.partition_index import PartitionIndex
from hub.storage.ports import Storage
from tests.unit.configuring import StepClock

MARGIN = timedelta(seconds=5)


class Book:
    """Events in memory, and their list."""

    def __init__(self, storage: Storage, clock: StepClock) -> None:
        self.storage = storage
        self.clock = clock
        self.rows = EventRows(storage.tables)
        self.partitions = PartitionIndex(storage.tables)
        self.listing = Listing(storage.tables, self.partitions, clock, MARGIN)
        self.draw = random.Random(7)

    async def add(self, at: datetime, shards: int = 1, **fields: object) -> Event:
        event_id = ids.new(at, self.draw.getrandbits(128), shards)
        event = Event.model_validate(
            {
                "id": event_id,
                "event_type": "GO",
                "sink_type": "P",
                "queue": "q",
                "source_kind": SourceKind.WEBHOOK,
                "payload": Content(size=2, inline=b"{}"),
                "created_at": at,
                "root_id": event_id,
                **fields,
            }
        )
        await self.rows.insert(event)
        await self.partitions.register(partition_of(event_id))
        return event

    async def all(self, wanted: Wanted = Wanted(), limit: int = 7) -> list[str]:  # noqa: B008 - frozen
        """Every page, one after another."""
        found: list[str] = []
        after: str | None = None
        while True:
            page = await self.listing.page(wanted, after=after, limit=limit)
            found += [each.id for each in page.items]
            if page.reached is None:
                return found
            assert after is None or page.reached < after
            after = page.reached
