"""Who is there for an event, and how much room they have, by what they last said. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.model.sink import Presence, Sink, SinkState
from hub.rules.explanation import Facts
from hub.rules.presence import state_of
from hub.rules.routing import Needs, lacks, lists, needs_of, pool, takers, takes


@dataclass(frozen=True, slots=True)
class Reach:
    """Some sinks, added up."""

    enrolled: int
    online: int
    draining: int
    """Those that restart with them."""
    free: int
    """Slots that those online offer."""
    running: int
    """Tasks of those online."""
    running_in_all: int
    """Tasks of all of them that are there."""
    drained: tuple[Sink, ...]
    """Those that were told to drain, there or not."""
    seen_at: datetime | None
    """When the last of them was seen; None: none ever came."""
    told: int
    """How many of those online have said what they have; of all, while none is online. 0: not all of them have."""
    with_runtime: int
    """How many of those have the runtime."""
    taking: int
    """How many of those have the runtime and take such code: fetch bundles, trust who signed it."""
    may_have: int
    """How many of those are not known to lack runtime or module."""
    listing: int
    """How many of those have the runtime and list the module, or leave it open."""

    @property
    def slots(self) -> int:
        return self.free + self.running

    @property
    def numbers(self) -> Mapping[str, float]:
        return {
            "enrolled": self.enrolled,
            "online": self.online,
            "draining": self.draining,
            "running": self.running,
            "slots": self.slots,
            "free": self.free,
        }


def today(facts: Facts) -> Reach:
    """The sinks that today's configuration gives its events to; none when its EventType is gone."""
    event_type = facts.event_type
    return of(takers(event_type, facts.snapshot) if event_type else (), facts)


def whole_pool(facts: Facts) -> Reach:
    """The sinks of its pool, if it is pinned to one of them or not."""
    event_type = facts.event_type
    return of(pool(event_type.sink_type, facts.snapshot) if event_type else (), facts)


def of(sinks: Sequence[Sink], facts: Facts) -> Reach:
    """These sinks, at the moment of the facts."""
    there = facts.there(sinks)
    by_name = {each.name: each for each in sinks}
    by_state: dict[SinkState, list[Presence]] = {state: [] for state in SinkState}
    for each in there:
        by_state[state_of(each, facts.now, by_name.get(each.sink))].append(each)
    online, draining = by_state[SinkState.ONLINE], by_state[SinkState.DRAINING] + by_state[SinkState.RESTARTING]
    needs = needs_of(facts.plan.run, facts.snapshot) if facts.plan else None
    asked = online or (there if len(there) == len(sinks) else [])
    told = asked if all(each.runtimes for each in asked) else []  # who has said nothing may have everything
    has_runtime = [each for each in told if needs is None or needs.runtime in each.runtimes]
    return Reach(
        enrolled=len(sinks),
        online=len(online),
        draining=len(draining),
        drained=tuple(each for each in sinks if each.drained),
        free=sum(each.slots for each in online),
        running=sum(each.running for each in online),
        running_in_all=sum(each.running for each in (*online, *draining)),
        seen_at=max((each.seen_at for each in there), default=None),
        told=len(told),
        with_runtime=len(has_runtime),
        taking=sum(needs is None or takes(each, needs) for each in has_runtime),
        may_have=sum(lacks(each, needs) is None for each in told),
        listing=sum(_lists(each, needs) for each in has_runtime),
    )


def _lists(presence: Presence, needs: Needs | None) -> bool:
    return needs is None or lists(presence, needs)
