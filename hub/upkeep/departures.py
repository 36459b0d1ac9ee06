"""Departures: sinks that were enrolled as ephemeral are removed some minutes after they have gone.

Their events keep the name. Nobody else is ever removed by itself.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Final

from hub.audit.attempt import Who
from hub.audit.trail import Trail
from hub.clock import Clock
from hub.configure.sinks import Sinks
from hub.dispatch.presence import PresenceBook
from hub.errors import NotFound, Rejected
from hub.model.sink import Presence, Sink
from hub.model.snapshot import Snapshot

log = logging.getLogger(__name__)

GONE_FOR: Final = timedelta(minutes=10)
REMOVED_A_STEP: Final = 100


class Departures:
    """Any number of processes may take the step at once."""

    def __init__(self, sinks: Sinks, presence: PresenceBook, clock: Clock, trail: Trail) -> None:
        self._sinks = sinks
        self._trail = trail
        self._presence = presence
        self._clock = clock

    async def step(self, snapshot: Snapshot) -> int:
        """How many were removed. Costs nothing where no sink is ephemeral, else a query for each thousand sinks."""
        ephemeral = [each for each in snapshot.sinks.values() if each.ephemeral]
        if not ephemeral:
            return 0
        now = self._clock.now()
        seen = await self._presence.newest(ephemeral)
        gone = [each for each in ephemeral if _has_gone(each, seen.get(each.name), now)]
        return sum([await self._remove(each) for each in gone[:REMOVED_A_STEP]])

    async def _remove(self, sink: Sink) -> bool:
        try:
            # One that has to stay is tried again each minute, which is nobody's attempt.
            async with self._trail.attempt(Who("hub"), "departure", f"sinks/{sink.name}", refusals=False):
                await self._sinks.delete(sink.name)
        except NotFound:
            return False
        except Rejected as why:  # an event type is pinned to it
            log.warning("the ephemeral sink %s has gone and stays: %s", sink.name, why)
            return False
        await self._presence.forget(sink.name)
        log.info("removed the ephemeral sink %s, which has gone", sink.name)
        return True


def _has_gone(sink: Sink, presence: Presence | None, now: datetime) -> bool:
    if presence is None:
        return now - sink.enrolled_at >= GONE_FOR
    offline_at = presence.seen_at + timedelta(seconds=presence.offline_after_seconds)
    return now - offline_at >= GONE_FOR
