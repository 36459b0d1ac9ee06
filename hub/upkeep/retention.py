"""Retention: removes events that are settled and older than their state is kept. Never on unless a setting says so.

What has to stay must not be looked at again and again. An hour that was looked through says in its row of the index
until when nothing in it may go, and under which settings that was found; the row loses this when an old event comes
into the hour, or the last open one of it has ended. So a step reads the index, which is a row an hour, a bounded part
of it each time, and only those hours that something is due in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from hub.batches import batches
from hub.life.context import LifeContext
from hub.model.event import State
from hub.rules import partitions
from hub.rules.keeping import Keeping
from hub.rules.partitions import Partition
from hub.storage import keys
from hub.storage.partition_index import Indexed, settled_hour
from hub.storage.upkeep_rows import EVERY, Look, OldEvent, Reached, UpkeepRows

PAGE: Final = 500
REMOVED_A_STEP: Final = 10_000
LOOKED_AT_A_STEP: Final = 50_000
STEP_SECONDS: Final = 20.0
"""A step ends after so many, and the next goes on there: what has to stay does not keep what is older from going."""
HOURS_A_PAGE: Final = 1000
PAGES_OF_HOURS: Final = 2
"""So much of the index a step reads at most; the next goes on there, and at the end begins anew."""
AT_ONCE: Final = 16
"""Events whose logs and blobs are removed side by side."""
LOOK_AGAIN: Final = timedelta(hours=1)
"""The least between two looks at one hour, whose events end one after the other."""


@dataclass(slots=True)
class _Walk:
    """One step."""

    now: datetime
    ends_at: float
    looked_at: int = 0
    removed: int = 0
    pages: int = 0


class Retention:
    """Removes a bounded number of events at each step."""

    def __init__(self, context: LifeContext, rows: UpkeepRows, keeping: Keeping) -> None:
        self._life = context
        self._rows = rows
        self._keeping = keeping

    async def step(self) -> int:
        """The number of events removed. What is not settled, or still owes, stays however old it is."""
        if not self._keeping.limited:
            return 0
        walk = _Walk(self._life.now(), self._life.clock.monotonic() + STEP_SECONDS)
        begins = await self._rows.reached(self._keeping.text)
        ends = await self._go(begins, walk)
        if ends != begins:
            await self._rows.write_reached(ends)
        return walk.removed

    async def _go(self, begins: Reached | None, walk: _Walk) -> Reached | None:
        """Look at what is due, the newest hour first, from where the last step stopped; where this one does.

        None: it came to the end.
        """
        reached = begins
        if begins is not None and begins.inside is not None:
            partition = partitions.parse(begins.partition)
            inside = await self._partition(partition, begins.inside, walk)
            reached = replace(begins, inside=inside)
            if inside is not None or self._is_over(walk):
                return reached
        async for indexed in self._hours(reached, walk):
            reached = Reached(indexed.partition.name, self._keeping.text)
            if self._is_due(indexed, walk.now):
                look = Look(indexed.etag, self._sought(indexed.partition, walk.now))
                reached = replace(reached, inside=await self._partition(indexed.partition, look, walk))
            if reached.inside is not None or self._is_over(walk):
                return reached
        return reached if walk.pages > PAGES_OF_HOURS else None

    async def _hours(self, begins: Reached | None, walk: _Walk) -> AsyncIterator[Indexed]:
        """The partitions behind where the last step stopped, as far as the oldest, or as a step reads."""
        last = partitions.at(walk.now - min(self._keeping.limited.values()) + timedelta(hours=1), "")
        if begins is not None:
            last = partitions.parse(begins.partition)
        while True:
            walk.pages += 1
            if walk.pages > PAGES_OF_HOURS:
                return
            page = await self._life.partitions.newest_first(after=last, limit=HOURS_A_PAGE)
            for indexed in page:
                yield indexed
            if len(page) < HOURS_A_PAGE:
                return
            last = page[-1].partition

    def _is_due(self, indexed: Indexed, now: datetime) -> bool:
        """Whether anything in this partition may have to go."""
        if indexed.kept_for != self._keeping.text:
            return True
        return indexed.kept_until is not None and indexed.kept_until <= now

    def _sought(self, partition: Partition, now: datetime) -> tuple[str, ...]:
        """The states of which something here may have to go; `EVERY`: look through all rows.

        Nearly all events are a SUCCESS, and no engine has an index of those: when they may go, one look finds all.
        """
        found = [state for state, keep in self._keeping.limited.items() if partition.begins + keep <= now]
        return (EVERY,) if State.SUCCESS in found else tuple(state.value for state in found)

    async def _partition(self, partition: Partition, look: Look, walk: _Walk) -> Look | None:
        """Remove what may go; how far the look has come when the step is over before it is through."""
        while look.number < len(look.sought):
            state = look.sought[look.number]
            page, reached = await self._rows.old(partition, state, after=look.after, limit=PAGE)
            look = await self._page(partition, page, look, walk)
            following = look.number + (reached is None)
            look = replace(look, number=following, after=reached or "")
            if self._is_over(walk) and following < len(look.sought):
                return look
        await self._close(partition, look, walk)
        return None

    async def _page(self, partition: Partition, page: Sequence[OldEvent], look: Look, walk: _Walk) -> Look:
        """Remove what may go of these, and note when what stays may."""
        until = [self._until(each) for each in page]
        gone = [each for each, due in zip(page, until, strict=True) if due is not None and due < walk.now]
        dues = [due for due in until if due is not None and due >= walk.now]
        removed = await self._remove(partition, gone)
        if removed < len(gone):  # one was changed meanwhile
            dues.append(walk.now)
        walk.removed += removed
        walk.looked_at += max(1, len(page))
        return replace(look, left=look.left or removed < len(page), due=_earliest(look.due, *dues))

    def _until(self, event: OldEvent) -> datetime | None:
        """When it may go. None: never, or it is not settled: when the last of its hour is, the index is told."""
        return self._keeping.until(event.state, event.finished_at) if event.settled and event.finished_at else None

    async def _close(self, partition: Partition, look: Look, walk: _Walk) -> None:
        """All of it was looked through after its row in the index was read: say there what was found."""
        if partition.hour >= settled_hour(walk.now):
            return  # what comes into so young an hour does not tell the index
        left, due = look.left, look.due
        if EVERY not in look.sought:
            left = left or bool((await self._rows.old(partition, EVERY, after="", limit=1))[0])
            others = [keep for state, keep in self._keeping.limited.items() if state not in look.sought]
            due = _earliest(due, *(partition.begins + keep for keep in others))
        indexed = Indexed(partition, settled=False, etag=look.etag)
        if left:
            again = max(due, walk.now + LOOK_AGAIN) if due is not None else None
            await self._life.partitions.kept(indexed, self._keeping.text, again)
        else:
            await self._life.partitions.forget(indexed)

    def _is_over(self, walk: _Walk) -> bool:
        over = walk.removed >= REMOVED_A_STEP or walk.looked_at >= LOOKED_AT_A_STEP
        return over or self._life.clock.monotonic() >= walk.ends_at

    async def _remove(self, partition: Partition, gone: Sequence[OldEvent]) -> int:
        """What hangs on the rows first, the rows last: a crash between leaves rows that the next step finds again."""
        for some in batches(gone, AT_ONCE):
            await asyncio.gather(*(self._strip(each) for each in some))
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


def _earliest(*times: datetime | None) -> datetime | None:
    return min((each for each in times if each is not None), default=None)
