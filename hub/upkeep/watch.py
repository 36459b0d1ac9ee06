"""Watch: counts what waits and who is there, and tells of sinks that stay away and of events that nobody could run.

One row says how far it has come, and what it has counted; nothing is written for a sink or an event that is well. What
a step tells of is told again by the next one if this one dies, under the same ids.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from hub.dispatch.presence import PresenceBook
from hub.errors import Missing, NexomaticError
from hub.life.alerts import Alerts
from hub.model.sink import Presence
from hub.model.snapshot import Snapshot
from hub.model.survey import Survey
from hub.rules import watching
from hub.rules.alerts import Alert, receiver
from hub.rules.census import Census
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


class Looked(Enum):
    """What of the open events a step has looked at."""

    AT_ALL = "all"
    AT_THE_FIRST = "the first"
    """It was over before it had seen them all."""
    AT_THE_REST = "the rest"
    """It went on where another had stopped."""


@dataclass(frozen=True, slots=True)
class Lookout:
    """What one step of upkeep sees."""

    snapshot: Snapshot
    now: datetime
    waiters: Waiters
    census: Census
    late: LateEvents | None
    """None: nobody wants to be told of that."""

    def look_at(self, events: Sequence[OpenEvent]) -> None:
        """Look at some of the open events."""
        self.waiters.look_at(events)
        self.census.look_at(events)
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
            Waiters(snapshot, now),
            Census(snapshot, now),
            LateEvents(snapshot, now) if receiver(Alert.SCHEDULE_LATE, snapshot) else None,
        )

    async def step(self, seen: Lookout, looked: Looked) -> None:
        """Write down what was counted, and tell of what has happened since the last step, if anybody wants to hear."""
        try:
            if seen.late is not None:
                await self._alerts.schedules_late(list(seen.late.by_schedule.values()), seen.snapshot)
            await self._watch(seen, looked)
        except NexomaticError as error:
            # Upkeep has other work, which must not wait for this.
            log.warning("alerts could not be fired and will be by the next step: %s", error)

    async def _watch(self, seen: Lookout, looked: Looked) -> None:
        snapshot, now = seen.snapshot, seen.now
        last, survey = await self._read()
        watch = watching.resumed(last, now)
        presences = await self._presence.all() if snapshot.sinks else {}
        if receiver(Alert.SINK_LOST, snapshot) is not None:
            await self._tell_of_sinks(presences, snapshot, watch, now)
        unroutable = [
            found
            for waited in seen.waiters.by_type.values()
            if (found := watching.unroutable(waited, snapshot, presences, watch, now)) is not None
        ]
        if receiver(Alert.UNROUTABLE, snapshot) is not None:
            for each in unroutable:
                await self._alerts.unroutable(each, snapshot)
        if looked is not Looked.AT_THE_REST:  # what a step saw that went on where another stopped is not a count
            counted = seen.census.survey(presences, unroutable, watch, whole=looked is Looked.AT_ALL)
            survey = counted.model_dump_json(exclude_defaults=True)
        await self._write(watch.told(now), survey)

    async def survey(self) -> Survey | None:
        """The last count; None before the first. One operation."""
        _, text = await self._read()
        return Survey.model_validate_json(text) if text else None

    async def _tell_of_sinks(
        self, presences: dict[str, Presence], snapshot: Snapshot, watch: Watch, now: datetime
    ) -> None:
        lost = watching.lost_sinks(presences.values(), snapshot, watch, now)
        for each in lost[:SINKS_A_STEP]:
            await self._alerts.sink_lost(each, len(lost) - 1, snapshot)
        if len(lost) > SINKS_A_STEP:
            log.warning("%d sinks were lost at once: alerts are fired for %d of them", len(lost), SINKS_A_STEP)

    async def _read(self) -> tuple[Watch | None, str]:
        try:
            values = (await self._tables.get(UPKEEP, _PARTITION, _KEY)).values
        except Missing:
            return None, ""
        codec.check_format(UPKEEP, values["format"])
        since, before, at = (codec.time_of_text(str(values[name])) for name in ("since", "before", "at"))
        return Watch(since, before, at), str(values.get("survey", ""))

    async def _write(self, watch: Watch, survey: str) -> None:
        times = {name: codec.text_of_time(getattr(watch, name)) for name in ("since", "before", "at")}
        await self._tables.put(UPKEEP, _PARTITION, _KEY, {"format": codec.written(), "survey": survey, **times})
