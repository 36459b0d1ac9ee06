"""Reconcile: once a minute, over every hour not known to be settled, without needing any sink to poll.

It pays what final events owe, ends what is past its queue time-out or lost for good, and puts a fresh hint for what
nobody has met for hours. It never hands out work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from hub.batches import batches
from hub.errors import Changed, Exists, Missing, NexomaticError, Unavailable
from hub.life.context import LifeContext
from hub.life.debts import Debts
from hub.limits.overflow import queue_of
from hub.model.event import Code, Event, State
from hub.model.snapshot import Snapshot
from hub.rules import ids, lifecycle, partitions
from hub.rules.alerts import FailureAlert
from hub.rules.hints import fresh_hint_due
from hub.rules.lifecycle import Changes, Edges
from hub.rules.partitions import Partition
from hub.rules.resolving import edges_unclaimed
from hub.rules.standing import void
from hub.rules.waiting import may_need_help, overdue, too_deep
from hub.storage import codec, keys
from hub.storage.events import Stored
from hub.storage.partition_index import Indexed, Mark, Pass, settled_hour
from hub.storage.upkeep_rows import OpenEvent, UpkeepRows
from hub.turns import in_turns
from hub.upkeep.watch import Looked, Lookout, Watching

log = logging.getLogger(__name__)

PAGE: Final = 500
"""Small enough that nobody waits for the event loop while one is read."""
ANNOUNCED_A_STEP: Final = 1000
ANNOUNCED_AFTER: Final = timedelta(minutes=1)
"""By then the process in which an event ended has announced it, unless it died or nobody heard it."""
ROWS_A_STEP: Final = 100_000
STEP_SECONDS: Final = 20.0
"""A step ends after so many, and the next goes on there: one run of the timer is bounded whatever waits."""
AT_ONCE: Final = 16
"""Events that are helped side by side."""


@dataclass(slots=True)
class _Walk:
    """One step's view, and what it has met so far."""

    snapshot: Snapshot
    now: datetime
    ends_at: float
    """By the clock that never goes back."""
    seen_before: datetime | None
    lookout: Lookout
    first_open: int = 0
    touched: int = 0
    seen: int = 0
    unannounced: list[Stored] = field(default_factory=list)
    hinted: int = 0


class Reconciler:
    """Carries one process's share of upkeep; any number of processes may run it at once."""

    def __init__(self, context: LifeContext, rows: UpkeepRows, debts: Debts, watching: Watching) -> None:
        self._life = context
        self._rows = rows
        self._debts = debts
        self._watching = watching

    async def step(self) -> int:
        """Look at up to `ROWS_A_STEP` unsettled events, from where the last step stopped; how many were touched."""
        started, ends_at = self._life.now(), self._life.clock.monotonic() + STEP_SECONDS
        mark = await self._life.partitions.mark()
        snapshot = await self._life.configuration()
        lookout = self._watching.lookout(snapshot, started)
        walk = _Walk(snapshot, started, ends_at, self._seen_before(mark, started), lookout)
        underway = mark.underway
        walk.first_open = underway.first_open if underway else settled_hour(started)
        async for indexed, after in self._unsettled(mark):
            stopped_at = await self._partition(indexed, after, walk)
            if stopped_at is not None:
                underway = Pass(indexed.partition.name, stopped_at, walk.first_open)
                next_mark = replace(mark, previous_run=started, underway=underway)
                break
        else:
            next_mark = replace(mark, hour=walk.first_open, previous_run=started, underway=None)
        await self._announce(walk.unannounced)
        with suppress(
            Changed, Exists
        ):  # lowered by an insert, or written by another process: the next step looks again
            await self._life.partitions.write_mark(next_mark)
        if walk.hinted:
            log.info("put fresh hints for %d events, which nobody has met for hours", walk.hinted)
        whole = Looked.AT_ALL if next_mark.underway is None else Looked.AT_THE_FIRST
        await self._watching.step(walk.lookout, Looked.AT_THE_REST if mark.underway else whole)
        return walk.touched

    def _seen_before(self, mark: Mark, now: datetime) -> datetime | None:
        """A lease that had expired by then has been seen expired once before, long enough ago to be renewed since."""
        if mark.previous_run is None:
            return None
        lease_seconds = self._life.terms.lease_seconds
        grace = timedelta(seconds=self._life.terms.second_sighting(lease_seconds))
        return min(mark.previous_run, now - grace) - self._life.margin()

    async def _unsettled(self, mark: Mark) -> AsyncIterator[tuple[Indexed, str]]:
        """The partitions from the mark on, newest first, each with the id to begin after."""
        last: Partition | None = None
        if mark.underway is not None:
            last = partitions.parse(mark.underway.partition)
            yield Indexed(last, settled=False, etag=""), mark.underway.after
        async for indexed in self._life.partitions.walk(after=last, oldest_hour=mark.hour):
            if not indexed.settled:
                yield indexed, ""

    async def _partition(self, indexed: Indexed, after: str, walk: _Walk) -> str | None:
        """Look at its unsettled events; the id of the last one looked at when the step is over with this one."""
        partition, whole, open_ = indexed.partition, not after, False
        while True:
            page, reached = await self._rows.open(partition, after=after, limit=PAGE)
            if page:
                open_ = True
                walk.first_open = min(walk.first_open, partition.hour)
            walk.seen += len(page)
            async for some in in_turns(page):
                walk.lookout.look_at(some)
                await self._help(some, walk)
            if reached is None:
                break
            after = reached
            if self._is_over(walk):
                return after
        settled = whole and not open_ and partition.hour < settled_hour(walk.now)
        if settled and not await self._life.partitions.settle(indexed):
            walk.first_open = min(walk.first_open, partition.hour)
        return ids.new(partition.begins, 0, 1) if self._is_over(walk) else None

    def _is_over(self, walk: _Walk) -> bool:
        return walk.seen >= ROWS_A_STEP or self._life.clock.monotonic() >= walk.ends_at

    async def _help(self, page: Sequence[OpenEvent], walk: _Walk) -> None:
        """What is due for these events."""
        due = [each for each in page if _may_need_help(each, walk)]
        for some in batches(due, AT_ONCE):
            walk.touched += sum(await asyncio.gather(*(self._look_safely(each.id, walk) for each in some)))

    async def _look_safely(self, event_id: str, walk: _Walk) -> bool:
        try:
            return await self._look(await self._life.events.get(event_id), walk)
        except Missing:
            return False
        except NexomaticError as error:
            # One event that cannot be helped must not keep the others waiting; it stays open, and is tried again.
            log.warning("event %s could not be reconciled: %s", event_id, error)
            return False

    async def _look(self, stored: Stored, walk: _Walk) -> bool:
        event = stored.event
        if event.state.final:
            return await self._settle(stored, walk)
        alert = self._debts.alert(event, walk.now, walk.snapshot)
        changes = await self._void(event, walk) or _ending(event, walk, alert)
        if changes is not None:
            return await self._end(stored, changes)
        if fresh_hint_due(event, walk.now):
            return await self._hint(stored, walk)
        return False

    async def _void(self, event: Event, walk: _Walk) -> Changes | None:
        """How an event ends whose schedule was changed; None: it goes on. What the step began with may be too old."""
        if event.state is not State.QUEUED or void(event, walk.snapshot) is None:
            return None
        why = void(event, await self._life.newest())
        return lifecycle.reject(event, Edges(), why.code, str(why), walk.now) if why is not None else None

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

    async def _hint(self, stored: Stored, walk: _Walk) -> bool:
        event, queue = stored.event, _queue_today(stored.event, walk.snapshot)
        try:
            await self._life.events.merge(event.id, {"hints": event.hints + 1, "queue": queue}, stored.etag)
        except (Changed, Missing):
            return False
        await self._life.queues.put(queue, codec.encode_hint(codec.Hint(event.id)))
        walk.hinted += 1
        return True


def _queue_today(event: Event, snapshot: Snapshot) -> str:
    """Where today's sinks look for it: nobody may be left who looks where its hint was put."""
    event_type = snapshot.event_type(event.event_type)
    queue = queue_of(event_type) if event_type is not None else keys.queue_of_sink_type(event.sink_type)
    return event.queue if keys.main_of(event.queue) == queue else queue


def _may_need_help(event: OpenEvent, walk: _Walk) -> bool:
    if may_need_help(event, walk.snapshot, walk.now, walk.seen_before):
        return True
    return event.state is State.QUEUED and void(event, walk.snapshot) is not None


def _ending(event: Event, walk: _Walk, alert: FailureAlert | None) -> Changes | None:
    """How an open event ends here and now; None: it goes on."""
    if event.state is State.QUEUED and (too_many := too_deep(event)) is not None:
        edges = edges_unclaimed(event, walk.snapshot)
        return lifecycle.reject(event, edges, Code.CHAIN_TOO_DEEP, too_many, walk.now, alert)
    if overdue(event, walk.snapshot, walk.now):
        edges = edges_unclaimed(event, walk.snapshot)
        message = "it waited longer than its queue time-out"
        return lifecycle.reject(event, edges, Code.QUEUE_TIMEOUT, message, walk.now, alert)
    if event.state is not State.RUNNING or walk.seen_before is None:
        return None
    held = lifecycle.holding(event)
    if held.lease_until > walk.seen_before:
        return None  # its holder may be alive, and renews first
    policy = walk.snapshot.retry_policy(event.event_type)
    changes = lifecycle.lose(held, policy, confirmed=event.confirmed, at=walk.now, alert=alert)
    # What is to be queued again is left to the poll that will run it; only an end needs no sink.
    return changes if changes["state"] is State.ERROR else None
