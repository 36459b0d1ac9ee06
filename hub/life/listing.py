"""Listing events, newest first, within the bounds of `newest_first.py`."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from hub.clock import Clock
from hub.errors import Invalid, Missing
from hub.life.newest_first import FIRST_ROWS, MOST_ROWS, MOST_SECONDS, Part, ReadPart, walk
from hub.model.event import State
from hub.rules import ids
from hub.rules.reporting import shown_state
from hub.storage import codec
from hub.storage.event_summaries import Pick, Summary, SummaryRows
from hub.storage.pages import Page
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

    @property
    def only_open(self) -> bool:
        return bool(self.states) and self.states <= _OPEN


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
        pick, found, rows = _pick(wanted), list[Summary](), 0
        chunks = walk(
            self._partitions,
            self._reader(pick, _where(wanted)),
            _start(after, wanted.end),
            wanted.begin,
            rows=limit if pick.everything else FIRST_ROWS,
            only_open=wanted.only_open,
        )
        async with aclosing(chunks):
            async for chunk in chunks:
                rows += chunk.rows
                for each in chunk.items:
                    found += self._if_wanted(each, wanted)
                    if len(found) == limit:
                        return EventPage(found, each.id)
                over = rows >= MOST_ROWS or chunk.looked_through or self._clock.monotonic() >= ends_at
                if over and chunk.reached:
                    return EventPage(found, chunk.reached)
        return EventPage(found, None)

    def _reader(self, pick: Pick, where: Values | None) -> ReadPart[Summary]:
        async def read(part: Part) -> Page[Summary]:
            if where is None:
                return await self._rows.page(part.partition, pick, after=part.after, limit=part.limit)
            return await self._rows.search(
                part.partition, pick, where=where, after=part.after, limit=part.limit, most=part.most
            )

        return read

    async def _one(self, event_id: str, wanted: Wanted) -> list[Summary]:
        try:
            found = await self._rows.get(event_id, _pick(replace(wanted, search=None)))
        except Missing:
            return []
        return self._if_wanted(found, wanted) if found is not None else []

    def _if_wanted(self, summary: Summary, wanted: Wanted) -> list[Summary]:
        """The event as it is shown, if what its columns alone do not tell fits too."""
        state = shown_state(summary.state, summary.lease_until, self._clock.now(), self._margin)
        if wanted.states and state not in wanted.states:
            return []
        if wanted.begin is not None and ids.time_of(summary.id) < wanted.begin:
            return []
        return [summary if state is summary.state else replace(summary, state=state)]


def _start(after: str | None, end: datetime | None) -> str | None:
    """The id from which on, exclusively, older events are looked at."""
    bounds = [each for each in (after, ids.new(end, 0, 1) if end else None) if each is not None]
    return min(bounds, default=None)


def _as_id(search: str | None) -> str | None:
    try:
        return ids.check(search) if search else None
    except Invalid:
        return None


def _where(wanted: Wanted) -> Values | None:
    """What storage can sort out by itself. RUNNING may be shown as QUEUED, so those two are asked for together."""
    if wanted.only_open:
        return {codec.OPEN: True}
    if len(wanted.states) == 1:
        return {"state": next(iter(wanted.states)).value}
    return None


def _pick(wanted: Wanted) -> Pick:
    return Pick.of(wanted.event_type, wanted.source, wanted.sink, wanted.search)
