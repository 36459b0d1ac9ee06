"""Listing events, newest first, within the bounds of `newest_first.py`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from hub.clock import Clock
from hub.errors import Invalid, Missing
from hub.life.newest_first import MOST_ROWS, MOST_SECONDS, ReadPage, walk
from hub.model.event import State
from hub.rules import ids
from hub.rules.partitions import Partition
from hub.rules.reporting import shown_state
from hub.storage import codec
from hub.storage.event_summaries import Summary, SummaryRows
from hub.storage.partition_index import PartitionIndex
from hub.storage.ports import Tables, Values

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
        rows = 0
        position = _start(after, wanted.end)
        async with aclosing(walk(self._partitions, self._reader(wanted), position, wanted.begin)) as chunks:
            async for chunk in chunks:
                rows += chunk.rows
                for each in chunk.items:
                    found += self._if_wanted(each, wanted)
                    if len(found) == limit:
                        return EventPage(found, each.id)
                if rows >= MOST_ROWS or self._clock.monotonic() >= ends_at:
                    return EventPage(found, chunk.reached)
        return EventPage(found, None)

    def _reader(self, wanted: Wanted) -> ReadPage[Summary]:
        where = _where(wanted.states)

        async def read(partition: Partition, after: str, limit: int) -> Sequence[Summary]:
            return await self._rows.page(partition, after=after, limit=limit, where=where)

        return read

    async def _one(self, event_id: str, wanted: Wanted) -> list[Summary]:
        try:
            return self._if_wanted(await self._rows.get(event_id), wanted)
        except Missing:
            return []

    def _if_wanted(self, summary: Summary, wanted: Wanted) -> list[Summary]:
        state = shown_state(summary.state, summary.lease_until, self._clock.now(), self._margin)
        shown = replace(summary, state=state)
        return [shown] if _matches(shown, wanted) else []


def _start(after: str | None, end: datetime | None) -> str | None:
    """The id from which on, exclusively, older events are looked at."""
    bounds = [each for each in (after, ids.new(end, 0, 1) if end else None) if each is not None]
    return min(bounds, default=None)


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
