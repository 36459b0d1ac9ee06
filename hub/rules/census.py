"""Counts open events and sinks by pool, while upkeep looks at them anyway. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from hub.model.sink import Presence, SinkState
from hub.model.snapshot import Snapshot
from hub.model.survey import Pool, Survey
from hub.rules.presence import state_of
from hub.rules.waiting import Waiting
from hub.rules.watching import Unroutable, Watch, is_lost, waiting_since

MOST_POOLS: Final = 200
"""Counted by themselves: a survey is one column of a row, and each pool a series of every metric."""
OTHER: Final = "other"
"""The pools beyond, and events of types that are no more."""


@dataclass(slots=True)
class Census:
    """One step's count."""

    snapshot: Snapshot
    now: datetime
    _pools: dict[str, Pool] = field(default_factory=dict)
    _of_types: dict[str, Pool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = sorted(each.name for each in self.snapshot.sink_types.values())
        self._pools = {name: Pool() for name in names[:MOST_POOLS]}

    def look_at(self, events: Iterable[Waiting]) -> None:
        """Look at some of the open events."""
        for event in events:
            pool = self._of_types.get(event.event_type)
            if pool is None:
                pool = self._of_types[event.event_type] = self._pool_of(event.event_type)
            since = waiting_since(event, self.now)
            if since is None:
                pool.running += not event.state.final
            elif since <= self.now:
                pool.waiting += 1
                pool.since = since if pool.since is None else min(pool.since, since)

    def survey(
        self, presences: Mapping[str, Presence], unroutable: Iterable[Unroutable], watch: Watch, *, whole: bool
    ) -> Survey:
        """The count, with the sinks."""
        for found in unroutable:
            self._pool(found.waited.event_type.sink_type).unroutable += found.waited.count
        for sink in self.snapshot.sinks.values():
            presence, pool = presences.get(sink.name), self._pool(sink.sink_type)
            match state_of(presence, self.now):
                case SinkState.ONLINE:
                    pool.online += 1
                case SinkState.DRAINING:
                    pool.draining += 1
                case _:
                    pool.offline += 1
                    pool.lost += presence is not None and not sink.ephemeral and is_lost(presence, watch, self.now)
        return Survey(at=self.now, whole=whole, pools=self._pools)

    def _pool_of(self, event_type: str) -> Pool:
        known = self.snapshot.event_type(event_type)
        return self._pool(known.sink_type if known is not None else OTHER)

    def _pool(self, name: str) -> Pool:
        known = self.snapshot.sink_type(name)
        found = self._pools.get(known.name if known is not None else OTHER)
        return found if found is not None else self._pools.setdefault(OTHER, Pool())
