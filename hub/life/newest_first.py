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
from hub.storage.pages import Page
from hub.storage.partition_index import PartitionIndex

MOST_ROWS: Final = 2000
MOST_SECONDS: Final = 1.0
MOST_LOOKED_THROUGH: Final = 10_000
"""Rows that storage looks through by itself for one chunk, where it has no index of what is wanted."""
FIRST_ROWS: Final = 200
FEWEST: Final = 20
PAGE: Final = 1000
"""The most that one query answers, of the index too."""
FIRST_PARTITIONS: Final = 64
"""Of the index; more than the shards of an hour, so that a page holds one hour at least."""
WIDEST: Final = 16
"""Hours read at once where they hold little: one after the other, each would cost a round trip."""


class HasId(Protocol):
    """What has the id of an event."""

    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=HasId)


@dataclass(frozen=True, slots=True)
class Part:
    """What to read next of one partition: what is older than an id, at most so many, among about so many."""

    partition: Partition
    after: str
    limit: int
    most: int


ReadPart: TypeAlias = Callable[[Part], Awaitable[Page[T]]]


@dataclass(frozen=True, slots=True)
class Chunk(Generic[T]):
    """What was found, in order, and down to which id everything was looked at; empty: to the end."""

    items: Sequence[T]
    reached: str
    rows: int
    """How many were read for it."""
    looked_through: bool = False
    """Storage has looked through as many as it does at once, and this is as far as it came."""


@dataclass(slots=True)
class _Reading:
    """How a walk goes on."""

    position: str | None
    rows: int
    """How many are read next: few at first, since they may suffice."""
    ahead: list[list[Partition]]
    """The next hours, not read yet."""
    width: int = 1
    """How many of them are read at once."""
    seen: int = 0

    @property
    def hours(self) -> list[list[Partition]]:
        return self.ahead[: self.width]

    def parts(self) -> list[Part]:
        """What to read now: of all shards of the next hours."""
        shards = [shard for hour in self.hours for shard in hour]
        limit = min(PAGE, max(FEWEST, min(self.rows, MOST_ROWS - self.seen) // len(shards)))
        begun = partition_of(self.position).hour if self.position else None
        most = MOST_LOOKED_THROUGH // len(shards)
        return [Part(each, (self.position or "") if each.hour == begun else "", limit, most) for each in shards]

    def went(self, pages: Sequence[Page[T]]) -> None:
        """These were read."""
        self.seen += sum(page.rows for page in pages)
        self.rows = min(PAGE, self.rows * 4)
        # A shard that was not read to its end says nothing of what is older than where it was left.
        reached = max((page.reached for page in pages if page.reached is not None), default=None)
        if reached is None:
            self.position = ids.new(self.hours[-1][0].begins, 0, 1)
            del self.ahead[: self.width]
            self.width = min(WIDEST, self.width * 2) if all(page.rows < FEWEST for page in pages) else 1
        else:
            self.position, self.width = reached, 1
            self.ahead = [hour for hour in self.ahead if hour[0].hour <= partition_of(reached).hour]


async def walk(
    partitions: PartitionIndex,
    read: ReadPart[T],
    position: str | None,
    begin: datetime | None,
    *,
    rows: int = FIRST_ROWS,
    only_open: bool = False,
) -> AsyncGenerator[Chunk[T], None]:
    """All that is older than the id `position` and not older than `begin`; `rows` at first.

    `only_open`: nothing else than what is not settled is wanted.
    """
    oldest = ids.new(begin, 0, 1) if begin else ""
    reading = _Reading(position, rows, [])
    async with aclosing(_hours(partitions, position, begin, only_open=only_open)) as hours:
        while await _look_ahead(reading, hours):
            parts = reading.parts()
            pages = await asyncio.gather(*(_read(read, part) for part in parts))
            reading.went(pages)
            end = max(reading.position or "", oldest)
            items = [each for page in pages for each in page.items if each.id >= end]
            items.sort(key=lambda each: each.id, reverse=True)
            over = any(
                page.reached is not None and page.rows < part.limit for page, part in zip(pages, parts, strict=True)
            )
            yield Chunk(items, "" if end == oldest else end, sum(page.rows for page in pages), over)
            if end == oldest:
                return


async def _read(read: ReadPart[T], part: Part) -> Page[T]:
    return await read(part)


async def _look_ahead(reading: _Reading, hours: AsyncGenerator[list[Partition], None]) -> bool:
    """See that the next hours are known; whether there are any."""
    while len(reading.ahead) < reading.width:
        try:
            reading.ahead.append(await anext(hours))
        except StopAsyncIteration:
            break
    return bool(reading.ahead)


async def _hours(
    partitions: PartitionIndex, position: str | None, begin: datetime | None, *, only_open: bool
) -> AsyncGenerator[list[Partition], None]:
    """The partitions of each hour that has events, the newest hour first; those that can have what is wanted."""
    oldest = partition_of(ids.new(begin, 0, 1)).hour if begin else 0
    if only_open:
        oldest = max(oldest, (await partitions.mark()).hour)
    after = Partition(partition_of(position).hour, "") if position else None
    size = FIRST_PARTITIONS
    while True:
        page = await partitions.newest_first(after=after, oldest_hour=oldest, limit=size)
        hours = [list(shards) for _, shards in groupby(page, key=lambda each: each.partition.hour)]
        cut = len(page) == size
        # The last hour of a full page may go on in the next one: it is read again, as a whole.
        for shards in hours[:-1] if cut else hours:
            if some := [each.partition for each in shards if not (only_open and each.settled)]:
                yield some
        if not cut:
            return
        after = Partition(hours[-1][0].partition.hour, "")
        size = min(PAGE, size * 4)
