"""Watch: tells of sinks that stay away and of events that nobody could run, if somebody wants to be told.

One row says how far it has come; nothing is written for a sink or an event that is well. What a step tells of is told
again by the next one if this one dies, under the same ids.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hub.dispatch.presence import PresenceBook
from hub.errors import Missing, NexomaticError
from hub.life.alerts import Alerts
from hub.model.sink import Presence
from hub.model.snapshot import Snapshot
from hub.rules import watching
from hub.rules.alerts import Alert, receiver
from hub.rules.lateness import LateEvents
from hub.rules.watching import Waiters, Watch
from hub.storage import codec
from hub.storage.keys import UPKEEP
from hub.storage.ports import Tables
from hub.storage.upkeep_rows import OpenEvent

log = logging.getLogger(__name__)

SINKS_A_STEP: Final = 20
"""Of more that are lost at once the alerts say how many: a site without a line must not be a thousand mails."""
_PARTITION, _KEY = "watch", "watch"


@dataclass(frozen=True, slots=True)
class Lookout:
    """What one step of upkeep sees; None of it: nobody wants to be told of that."""

    snapshot: Snapshot
    now: datetime
    waiters: Waiters | None
    late: LateEvents | None

    def look_at(self, events: Sequence[OpenEvent]) -> None:
        """Look at some of the open events."""
        if self.waiters is not None:
            self.waiters.look_at(events)
        if self.late is not None:
            self.late.look_at(events)


class Watching:
    """Any number of processes may take the step at once."""

    def __init__(self, tables: Tables, presence: PresenceBook, alerts: Alerts) -> None:
        self._tables = tables
        self._presence = presence
        self._alerts = alerts

    def lookout(self, snapshot: Snapshot, now: datetime) -> Lookout:
        """Who is to be shown every open event before the step."""
        return Lookout(
            snapshot,
            now,
            Waiters(snapshot, now) if receiver(Alert.UNROUTABLE, snapshot) else None,
            LateEvents(snapshot, now) if receiver(Alert.SCHEDULE_LATE, snapshot) else None,
        )

    async def step(self, seen: Lookout) -> None:
        """Tell of what has happened since the last step. Nothing while nobody wants to be told."""
        try:
            if seen.late is not None:
                await self._alerts.schedules_late(list(seen.late.by_schedule.values()), seen.snapshot)
            await self._watch(seen.waiters, seen.snapshot, seen.now)
        except NexomaticError as error:
            # Upkeep has other work, which must not wait for this.
            log.warning("alerts could not be fired and will be by the next step: %s", error)

    async def _watch(self, waiters: Waiters | None, snapshot: Snapshot, now: datetime) -> None:
        telling_of_sinks = receiver(Alert.SINK_LOST, snapshot) is not None
        if not telling_of_sinks and waiters is None:
            return
        watch = watching.resumed(await self._read(), now)
        presences = await self._presence.all() if telling_of_sinks or (waiters and waiters.by_type) else {}
        if telling_of_sinks:
            await self._tell_of_sinks(presences, snapshot, watch, now)
        if waiters is not None:
            await self._tell_of_events(waiters, presences, snapshot, watch)
        await self._write(watch.told(now))

    async def _tell_of_sinks(
        self, presences: dict[str, Presence], snapshot: Snapshot, watch: Watch, now: datetime
    ) -> None:
        lost = watching.lost_sinks(presences.values(), snapshot, watch, now)
        for each in lost[:SINKS_A_STEP]:
            await self._alerts.sink_lost(each, len(lost) - 1, snapshot)
        if len(lost) > SINKS_A_STEP:
            log.warning("%d sinks were lost at once: alerts are fired for %d of them", len(lost), SINKS_A_STEP)

    async def _tell_of_events(
        self, waiters: Waiters, presences: dict[str, Presence], snapshot: Snapshot, watch: Watch
    ) -> None:
        for waited in waiters.by_type.values():
            found = watching.unroutable(waited, snapshot, presences, watch, waiters.now)
            if found is not None:
                await self._alerts.unroutable(found, snapshot)

    async def _read(self) -> Watch | None:
        try:
            values = (await self._tables.get(UPKEEP, _PARTITION, _KEY)).values
        except Missing:
            return None
        codec.check_format(values["format"])
        since, before, at = (codec.time_of_text(str(values[name])) for name in ("since", "before", "at"))
        return Watch(since, before, at)

    async def _write(self, watch: Watch) -> None:
        times = {name: codec.text_of_time(getattr(watch, name)) for name in ("since", "before", "at")}
        await self._tables.put(UPKEEP, _PARTITION, _KEY, {"format": codec.FORMAT, **times})
