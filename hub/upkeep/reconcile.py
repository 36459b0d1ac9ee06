"""Reconcile: once a minute, over every hour not known to be settled, without needing any sink to poll.

It pays what final events owe, ends what is past its queue time-out or lost for good, and puts a fresh hint for what
nobody has met for hours. It never hands out work.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hub.errors import Changed, Exists, Missing, NexomaticError, Unavailable
from hub.life.context import LifeContext
from hub.life.debts import Debts
from hub.model.event import Code, Event, State
from hub.model.snapshot import Snapshot
from hub.rules import lifecycle, partitions
from hub.rules.hints import fresh_hint_due
from hub.rules.lifecycle import Changes
from hub.rules.partitions import Partition
from hub.rules.resolving import edges_today
from hub.rules.waiting import overdue
from hub.storage import codec
from hub.storage.events import Stored
from hub.storage.partition_index import Mark, Pass, settled_hour

log = logging.getLogger(__name__)

PAGE = 1000
ANNOUNCED_A_STEP = 1000
ANNOUNCED_AFTER = timedelta(minutes=1)
"""By then the process in which an event ended has announced it, unless it died or nobody heard it."""
ROWS_A_STEP = 20_000
"""A step ends after so many, and the next goes on there: one run of the timer is bounded whatever waits."""


@dataclass(slots=True)
class _Walk:
    """One step's view, and what it has met so far."""

    snapshot: Snapshot
    now: datetime
    seen_before: datetime | None
    first_open: int = 0
    touched: int = 0
    seen: int = 0
    unannounced: list[Stored] = field(default_factory=list)


class Reconciler:
    """Carries one process's share of upkeep; any number of processes may run it at once."""

    def __init__(self, context: LifeContext, debts: Debts) -> None:
        self._life = context
        self._debts = debts

    async def step(self) -> int:
        """Look at up to `ROWS_A_STEP` unsettled events, from where the last step stopped; how many were touched."""
        started = self._life.now()
        mark = await self._life.partitions.mark()
        walk = _Walk(await self._life.configuration(), started, self._seen_before(mark, started))
        underway = mark.underway
        walk.first_open = underway.first_open if underway else settled_hour(started)
        async for partition, after in self._unsettled(mark):
            stopped_at = await self._partition(partition, after, walk)
            if stopped_at is not None:
                underway = Pass(partition.name, stopped_at, walk.first_open)
                next_mark = replace(mark, previous_run=started, underway=underway)
                break
        else:
            next_mark = replace(mark, hour=walk.first_open, previous_run=started, underway=None)
        await self._announce(walk.unannounced)
        with suppress(
            Changed, Exists
        ):  # lowered by an insert, or written by another process: the next step looks again
            await self._life.partitions.write_mark(next_mark)
        return walk.touched

    def _seen_before(self, mark: Mark, now: datetime) -> datetime | None:
        """A lease that had expired by then has been seen expired once before, long enough ago to be renewed since."""
        if mark.previous_run is None:
            return None
        lease_seconds = self._life.terms.lease_seconds
        grace = timedelta(seconds=self._life.terms.second_sighting(lease_seconds))
        return min(mark.previous_run, now - grace) - self._life.margin()

    async def _unsettled(self, mark: Mark) -> AsyncIterator[tuple[Partition, str]]:
        """The partitions from the mark on, newest first, each with the id to begin after."""
        last: Partition | None = None
        if mark.underway is not None:
            last = partitions.parse(mark.underway.partition)
            yield last, mark.underway.after
        while page := await self._life.partitions.newest_first(after=last, oldest_hour=mark.hour):
            for partition in page:
                yield partition, ""
            last = page[-1]

    async def _partition(self, partition: Partition, after: str, walk: _Walk) -> str | None:
        """Look at its unsettled events; the id of the last one when the step is over before the partition is."""
        while True:
            page = await self._life.events.list(partition, after=after, limit=PAGE, where={codec.OPEN: True})
            for stored in page:
                walk.first_open = min(walk.first_open, partition.hour)
                walk.touched += await self._look_safely(stored, walk)
            walk.seen += len(page)
            if page and walk.seen >= ROWS_A_STEP:
                return page[-1].event.id
            if len(page) < PAGE:
                return None
            after = page[-1].event.id

    async def _look_safely(self, stored: Stored, walk: _Walk) -> bool:
        try:
            return await self._look(stored, walk)
        except NexomaticError as error:
            # One event that cannot be helped must not keep the others waiting; it stays open, and is tried again.
            log.warning("event %s could not be reconciled: %s", stored.event.id, error)
            return False

    async def _look(self, stored: Stored, walk: _Walk) -> bool:
        event = stored.event
        if event.state.final:
            return await self._settle(stored, walk)
        changes = _ending(event, walk)
        if changes is not None:
            return await self._end(stored, changes)
        if fresh_hint_due(event, walk.now):
            return await self._hint(stored)
        return False

    async def _settle(self, stored: Stored, walk: _Walk) -> bool:
        """Pay what a final event owes; one that owes nothing is still to be announced, or only says so."""
        event = stored.event
        if event.owes is not None:
            await self._debts.settle(stored)
        elif not event.unannounced or not self._life.news.announcing:
            with suppress(Changed, Missing):
                await self._life.events.announced(stored)
        elif event.finished_at is None or event.finished_at > walk.now - ANNOUNCED_AFTER:
            return False
        elif len(walk.unannounced) < ANNOUNCED_A_STEP:
            walk.unannounced.append(stored)
        return True

    async def _announce(self, ended: list[Stored]) -> None:
        try:
            await self._life.news.settle(ended)
        except Unavailable as error:
            log.warning("%d ended events are not announced yet: %s", len(ended), error)

    async def _end(self, stored: Stored, changes: Changes) -> bool:
        try:
            etag = await self._life.events.merge(stored.event.id, changes, stored.etag)
        except (Changed, Missing):
            return False
        self._life.news.event_moved(stored.event, changes)
        await self._debts.settle(Stored(lifecycle.apply(stored.event, changes), etag))
        return True

    async def _hint(self, stored: Stored) -> bool:
        event = stored.event
        try:
            await self._life.events.merge(event.id, {"hints": event.hints + 1}, stored.etag)
        except (Changed, Missing):
            return False
        await self._life.queues.put(event.queue, codec.encode_hint(codec.Hint(event.id)))
        log.info("put a fresh hint for event %s, which nobody has met for hours", event.id)
        return True


def _ending(event: Event, walk: _Walk) -> Changes | None:
    """How an open event ends here and now; None: it goes on."""
    if overdue(event, walk.snapshot, walk.now):
        edges = edges_today(event.event_type, walk.snapshot)
        message = "it waited longer than its queue time-out"
        return lifecycle.reject(event, edges, Code.QUEUE_TIMEOUT, message, walk.now)
    if event.state is not State.RUNNING or walk.seen_before is None:
        return None
    held = lifecycle.holding(event)
    if held.lease_until > walk.seen_before:
        return None  # its holder may be alive, and renews first
    policy = walk.snapshot.retry_policy(event.event_type)
    changes = lifecycle.lose(held, policy, confirmed=event.confirmed, at=walk.now)
    # What is to be queued again is left to the poll that will run it; only an end needs no sink.
    return changes if changes["state"] is State.ERROR else None
