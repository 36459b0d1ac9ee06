"""Listing events, newest first: the hours that have events, one after another, the shards of one hour merged.

An answer reads about 2000 rows at most and begins no further read a second after it began: then it gives what it has
found, and where to go on. So a search for something rare costs no more than any other, however long the history.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from hub.clock import Clock
from hub.errors import Invalid, Missing
from hub.model.event import State
from hub.rules import ids
from hub.rules.partitions import Partition, partition_of
from hub.rules.reporting import shown_state
from hub.storage import codec
from hub.storage.event_summaries import Summary, SummaryRows
from hub.storage.partition_index import PartitionIndex
from hub.storage.ports import Tables, Values

MOST_ROWS: Final = 2000
MOST_SECONDS: Final = 1.0
_FIRST_ROWS: Final = 200
_FEWEST: Final = 20
_PAGE: Final = 1000
"""The most that one query answers, of the index too."""
_OPEN: Final = frozenset({State.QUEUED, State.RUNNING})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events to list. Names are compared without regard to case."""

    states: frozenset[State] = frozenset()
    """Empty: any."""
    event_type: str | None = None
    source: str | None = None
    sink: str | None = None
    begin: datetime | None = None
    """Not older than this."""
    end: datetime | None = None
    """Older than this."""
    search: str | None = None
    """An event's or the caller's own id exactly, else a part of type, sink, result code or message."""


@dataclass(frozen=True, slots=True)
class EventPage:
    """What was found, and the id down to which everything was looked at; None: there is nothing older."""

    items: list[Summary]
    reached: str | None


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Events of one hour, in order, and whether the hour has older ones."""

    items: Sequence[Summary]
    more: bool
    rows: int
    """How many were read for it."""


class Listing:
    """Lists events. A hub's clock may differ from another's by `margin`."""

    def __init__(self, tables: Tables, partitions: PartitionIndex, clock: Clock, margin: timedelta) -> None:
        self._rows = SummaryRows(tables)
        self._partitions = partitions
        self._clock = clock
        self._margin = margin

    async def page(self, wanted: Wanted, *, after: str | None = None, limit: int = 50) -> EventPage:
        """At most `limit` events older than the id `after`. Raises `Unavailable`."""
        event_id = _as_id(wanted.search)
        if event_id is not None:
            return EventPage(await self._one(event_id, wanted), None)
        ends_at = self._clock.monotonic() + MOST_SECONDS
        found: list[Summary] = []
        read = 0
        position = _start(after, wanted.end)
        async with aclosing(self._hours(position, wanted.begin)) as hours:
            async for shards in hours:
                more = True
                while more:
                    chunk = await self._chunk(
                        shards, position, wanted.states, MOST_ROWS - read if read else _FIRST_ROWS
                    )
                    more, read = chunk.more, read + chunk.rows
                    for each in chunk.items:
                        position = each.id
                        found += self._if_wanted(each, wanted)
                        if len(found) == limit:
                            return EventPage(found, position)
                    position = position if more else _oldest_id(shards[0])
                    if read >= MOST_ROWS or self._clock.monotonic() >= ends_at:
                        return EventPage(found, position)
        return EventPage(found, None)

    async def _one(self, event_id: str, wanted: Wanted) -> list[Summary]:
        try:
            return self._if_wanted(await self._rows.get(event_id), wanted)
        except Missing:
            return []

    def _if_wanted(self, summary: Summary, wanted: Wanted) -> list[Summary]:
        state = shown_state(summary.state, summary.lease_until, self._clock.now(), self._margin)
        shown = replace(summary, state=state)
        return [shown] if _matches(shown, wanted) else []

    async def _hours(self, position: str | None, begin: datetime | None) -> AsyncGenerator[list[Partition], None]:
        """The partitions of each hour that has events, the newest hour first."""
        oldest = partition_of(ids.new(begin, 0, 1)).hour if begin else 0
        after = Partition(partition_of(position).hour, "") if position else None
        while True:
            page = await self._partitions.newest_first(after=after, oldest_hour=oldest)
            hours = [list(shards) for _, shards in groupby(page, key=lambda each: each.hour)]
            cut = len(page) == _PAGE
            # The last hour of a full page may go on in the next one: it is read again, as a whole.
            for shards in hours[:-1] if cut else hours:
                yield shards
            if not cut:
                return
            after = Partition(hours[-1][0].hour, "")

    async def _chunk(
        self, shards: Sequence[Partition], position: str | None, states: frozenset[State], rows: int
    ) -> _Chunk:
        """The next events of an hour. All shards are read at once, and what might not be in order yet is left."""
        each_reads = min(_PAGE, max(_FEWEST, rows // len(shards)))
        inside = position if position and partition_of(position).hour == shards[0].hour else ""
        where = _where(states)
        pages = await asyncio.gather(
            *(self._rows.page(shard, after=inside, limit=each_reads, where=where) for shard in shards)
        )
        full = [page[-1].id for page in pages if len(page) == each_reads]
        horizon = max(full, default="")  # a shard that was not read to its end says nothing of what is older than this
        items = [each for page in pages for each in page if each.id >= horizon]
        items.sort(key=lambda each: each.id, reverse=True)
        return _Chunk(items, bool(full), sum(len(page) for page in pages))


def _start(after: str | None, end: datetime | None) -> str | None:
    """The id from which on, exclusively, older events are looked at."""
    bounds = [each for each in (after, ids.new(end, 0, 1) if end else None) if each is not None]
    return min(bounds, default=None)


def _oldest_id(hour: Partition) -> str:
    """What comes before every id of this hour."""
    return ids.new(hour.begins, 0, 1)


def _as_id(search: str | None) -> str | None:
    try:
        return ids.check(search) if search else None
    except Invalid:
        return None


def _where(states: frozenset[State]) -> Values | None:
    """What storage can sort out by itself. RUNNING may be shown as QUEUED, so those two are asked for together."""
    if states and states <= _OPEN:
        return {codec.OPEN: True}
    if len(states) == 1:
        return {"state": next(iter(states)).value}
    return None


def _matches(event: Summary, wanted: Wanted) -> bool:
    if wanted.states and event.state not in wanted.states:
        return False
    if wanted.begin is not None and ids.time_of(event.id) < wanted.begin:
        return False
    names = ((wanted.event_type, event.event_type), (wanted.source, event.source), (wanted.sink, event.sink))
    if any(name is not None and name.casefold() != (value or "").casefold() for name, value in names):
        return False
    return wanted.search is None or _found(wanted.search, event)


def _found(search: str, event: Summary) -> bool:
    if search.upper() == event.id or search == event.correlation_id:
        return True
    texts = (event.event_type, event.sink, event.result_code, event.result_message)
    return any(search.casefold() in text.casefold() for text in texts if text)
