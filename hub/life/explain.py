"""Explain: what is known of an event and of what it waits for, gathered for the rule that says what is in its way.

It reads, and takes nothing: no token, no slot, no message. For an event that waits it reads its row, and its payload
if that is a blob; the sinks' presences (a read for one, else a query for each thousand); the slots in use and the
bucket of starts, where its EventType has those limits; the depths of its queue and of the overflow, and where it is
pinned to one sink those of its pool. That is four operations as a rule, nine at most, and one for each further thousand
sinks; where a schedule fired it that lets nothing overlap, one more for each event back to the last that has begun
(`overlap.py`). For one that runs it is two, for one that has ended one. The configuration is the copy by which this
process decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from hub.errors import Missing, NotFound
from hub.life.claim import Claimer
from hub.life.context import LifeContext
from hub.life.overlap import check_overlap
from hub.life.permits import Later
from hub.limits.overflow import queue_of
from hub.limits.slots import Slots
from hub.limits.start_rate import StartRates
from hub.model.configuration import EventType
from hub.model.event import Event, State
from hub.model.sink import Presence, Sink
from hub.model.snapshot import Snapshot
from hub.rules.explaining import explain, is_held, requeued
from hub.rules.explanation import Explanation, Facts, Place
from hub.rules.resolving import Plan, Unresolvable, plan
from hub.rules.routing import pool, takers
from hub.rules.standing import void
from hub.storage import keys

PresencesOf: TypeAlias = Callable[[Sequence[Sink]], Awaitable[Mapping[str, Presence]]]


@dataclass(frozen=True, slots=True)
class Explained:
    """An event as it was read, and what there is to say of it."""

    event: Event
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class Process:
    """What may keep this process of the hub from handing anything out."""

    clock_is_right: Callable[[], bool]
    crowd: Callable[[str], tuple[int, int] | None]
    """Of a queue: how many requests are held, of how many, if there is room for none that would wait for it."""


class Explainer:
    """Explains events. One per process."""

    def __init__(
        self,
        context: LifeContext,
        claimer: Claimer,
        slots: Slots,
        rates: StartRates,
        presences_of: PresencesOf,
        process: Process,
    ) -> None:
        self._life = context
        self._claimer = claimer
        self._slots = slots
        self._rates = rates
        self._presences_of = presences_of
        self._process = process

    async def explain(self, event_id: str) -> Explained:
        """What is first in the way of this event, or how it goes on, or how it ended. Raises `NotFound`."""
        try:
            event = (await self._life.events.get(event_id)).event
        except Missing:
            raise NotFound(f"there is no event {event_id}") from None
        facts = Facts(
            event=event,
            now=self._life.now(),
            margin=self._life.margin(),
            snapshot=await self._life.configuration(),
            clock_is_right=self._process.clock_is_right(),
            look_seconds=self._life.terms.no_slot_seconds,
        )
        if event.state is State.RUNNING:
            facts = replace(facts, presences=await self._presences_of(_holder(facts)))
        if not event.state.final and not is_held(facts):
            facts = await self._waiting(facts)
        return Explained(event, explain(facts))

    async def _waiting(self, facts: Facts) -> Facts:
        """With what an event depends on that waits, or whose sink was lost."""
        event = facts.event if facts.event.state is State.QUEUED else requeued(facts.event, facts)
        if event.state.final:
            return facts
        elsewhere = _elsewhere(event, facts)
        event_type = facts.event_type
        asked = [*_holder(facts), *(elsewhere.sinks if elsewhere else ())]
        if event_type is not None:
            asked += (*takers(event_type, facts.snapshot), *pool(event_type.sink_type, facts.snapshot))
        planned, schedule, presences, running, starts_in, depth = await asyncio.gather(
            self._plan(event, facts.snapshot),
            self._schedule(event, facts),
            self._presences_of(list({each.name: each for each in asked}.values())),
            self._running(facts),
            self._starts_in(facts),
            self._depth(event, event_type),
        )
        return replace(
            facts,
            plan=planned if isinstance(planned, Plan) else None,
            unresolvable=planned if isinstance(planned, Unresolvable) else None,
            schedule=schedule if isinstance(schedule, Unresolvable) else None,
            behind=event.previous if isinstance(schedule, Later) else None,
            presences=presences,
            elsewhere=elsewhere,
            running=running,
            starts_in=starts_in,
            depth=depth,
            crowd=self._process.crowd(event.queue),
        )

    async def _plan(self, event: Event, snapshot: Snapshot) -> Plan | Unresolvable:
        """What a claim would find that it is to run, or that it cannot."""
        try:
            return (await self._claimer.prepare(event, plan(event, snapshot, self._life.terms.lease_seconds))).plan
        except Unresolvable as why:
            return why

    async def _schedule(self, event: Event, facts: Facts) -> Unresolvable | Later | None:
        """What its schedule has against it. What is fired before it is looked at when its time has come."""
        why = void(event, facts.snapshot)
        if why is not None or (event.not_before is not None and event.not_before > facts.now):
            return why
        try:
            await check_overlap(self._life, event, facts.snapshot)
        except (Unresolvable, Later) as found:
            return found
        return None

    async def _running(self, facts: Facts) -> int | None:
        found = facts.event_type
        if found is None or found.max_running is None:
            return None
        return await self._slots.in_use(found.name, found.max_running, facts.now)

    async def _starts_in(self, facts: Facts) -> float | None:
        found = facts.event_type
        if found is None or found.rate_per_minute is None:
            return None
        return await self._rates.next_in(found.name, found.rate_per_minute)

    async def _depth(self, event: Event, event_type: EventType | None) -> int:
        """Of all queues whose messages its sinks have to share their slots between."""
        mains = [keys.main_of(event.queue)]
        if event_type is not None and event_type.sink is not None:
            mains.append(keys.queue_of_sink_type(event_type.sink_type))
        queues = [each for main in dict.fromkeys(mains) for each in (main, keys.overflow_of(main))]
        return sum(await asyncio.gather(*map(self._life.queues.depth, queues)))


def _holder(facts: Facts) -> Sequence[Sink]:
    sink = facts.snapshot.sink(facts.event.sink) if facts.event.sink else None
    return () if sink is None or facts.event.state is not State.RUNNING else (sink,)


def _elsewhere(event: Event, facts: Facts) -> Place | None:
    """Where its message lies, if that is not where today's configuration sends it, or that sends it nowhere."""
    queue, event_type, snapshot = keys.main_of(event.queue), facts.event_type, facts.snapshot
    if event_type is not None and queue_of(event_type) == queue:
        return None
    for sink_type in (event.sink_type, *(each.name for each in snapshot.sink_types.values())):
        if keys.queue_of_sink_type(sink_type) == queue:
            return Place(f"the sinks of the type {sink_type}", pool(sink_type, snapshot))
    for sink in snapshot.sinks.values():
        if keys.queue_of_sink(sink.name) == queue:
            # It looks into its own queue only while an EventType names it (`dispatch/poll.py`).
            looks = snapshot.pinned(sink.name)
            return Place(
                f"the sink {sink.name}" + ("" if looks else ", which no event type names any more"),
                (sink,) if looks else (),
            )
    return Place("a sink that is not enrolled any more", ())
