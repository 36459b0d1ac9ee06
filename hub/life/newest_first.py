"""Walks what lies in the partitions of events, newest first: hour by hour, the shards of one hour merged.

Whoever walks reads about `MOST_ROWS` rows and begins no further read `MOST_SECONDS` after it began; then it gives what
it has found, and where to go on. So a search for something rare costs no more than any other, however long the history.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from hub.rules import ids
from hub.rules.partitions import Partition, partition_of
from hub.storage.partition_index import PartitionIndex

MOST_ROWS: Final = 2000
MOST_SECONDS: Final = 1.0
FIRST_ROWS: Final = 200
FEWEST: Final = 20
PAGE: Final = 1000
"""The most that one query answers, of the index too."""


class HasId(Protocol):
    """What has the id of an event."""

    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=HasId)
ReadPage: TypeAlias = Callable[[Partition, str, int], Awaitable[Sequence[T]]]
"""Rows of one partition: (partition, older than this id, at most so many); fewer: there are no more."""


@dataclass(frozen=True, slots=True)
class Chunk(Generic[T]):
    """What was found, in order, and down to which id everything was looked at."""

    items: Sequence[T]
    reached: str
    rows: int
    """How many were read for it."""


async def walk(
    partitions: PartitionIndex, read: ReadPage[T], position: str | None, begin: datetime | None
) -> AsyncGenerator[Chunk[T], None]:
    """All that is older than the id `position` and, by the hour, not older than `begin`."""
    seen = 0
    async with aclosing(_hours(partitions, position, begin)) as hours:
        async for shards in hours:
            more = True
            while more:
                rows = MOST_ROWS - seen if seen else FIRST_ROWS
                items, more, count = await _read_hour(shards, read, position, rows)
                seen += count
                position = items[-1].id if more else ids.new(shards[0].begins, 0, 1)
                yield Chunk(items, position, count)


async def _hours(
    partitions: PartitionIndex, position: str | None, begin: datetime | None
) -> AsyncGenerator[list[Partition], None]:
    """The partitions of each hour that has events, the newest hour first."""
    oldest = partition_of(ids.new(begin, 0, 1)).hour if begin else 0
    after = Partition(partition_of(position).hour, "") if position else None
    while True:
        page = await partitions.newest_first(after=after, oldest_hour=oldest)
        hours = [list(shards) for _, shards in groupby(page, key=lambda each: each.hour)]
        cut = len(page) == PAGE
        # The last hour of a full page may go on in the next one: it is read again, as a whole.
        for shards in hours[:-1] if cut else hours:
            yield shards
        if not cut:
            return
        after = Partition(hours[-1][0].hour, "")


async def _read_hour(
    shards: Sequence[Partition], read: ReadPage[T], position: str | None, rows: int
) -> tuple[Sequence[T], bool, int]:
    """The next of an hour, whether it has more, and how many rows were read.

    All shards are read at once, and what might not be in order yet is left.
    """
    each_reads = min(PAGE, max(FEWEST, rows // len(shards)))
    inside = position if position and partition_of(position).hour == shards[0].hour else ""
    pages = await asyncio.gather(*(read(shard, inside, each_reads) for shard in shards))
    full = [page[-1].id for page in pages if len(page) == each_reads]
    horizon = max(full, default="")  # a shard that was not read to its end says nothing of what is older than this
    items = [each for page in pages for each in page if each.id >= horizon]
    items.sort(key=lambda each: each.id, reverse=True)
    return items, bool(full), sum(len(page) for page in pages)
