"""Alerts, fired: an event of a reserved EventType, if somebody has configured one to be told by."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import timedelta
from typing import Final

from pydantic import JsonValue

from hub.errors import Missing
from hub.life.context import LifeContext
from hub.life.create import Creator, NewEvent
from hub.model.configuration import SourceKind
from hub.model.snapshot import Snapshot
from hub.rules import alert_payloads, alerts, strict_json
from hub.rules.alert_payloads import Failed
from hub.rules.alerts import Alert
from hub.rules.lateness import Late
from hub.rules.watching import LostSink, Unroutable

REMEMBERED: Final = 1000
SCHEDULES_AT_ONCE: Final = 20
"""Of more that are late the alerts say how many: a hub that was away must not be a thousand mails."""
SETTLED_AFTER: Final = timedelta(minutes=3)
"""A create that was not acknowledged within a minute is over."""


class Alerts:
    """Fires alerts. Any number of processes may fire the same one, and make one event of it.

    It remembers some that it has made, so that what a flood of failures costs is not multiplied by what each is told
    by. Nothing depends on that memory.
    """

    def __init__(self, context: LifeContext, creator: Creator, hub: str | None) -> None:
        """`hub`: its public address, if it has one."""
        self._life = context
        self._creator = creator
        self._hub = hub
        self._made: dict[str, None] = {}

    @property
    def made(self) -> Container[str]:
        """Alerts that are known to be there."""
        return self._made

    async def failed(self, what: Failed, alert_id: str, snapshot: Snapshot) -> bool:
        """Tell of an event that failed, with the alert it owes; the same for all of its type in one minute.

        False: nobody wants to be told any more. Raises `Unavailable`.
        """
        payload = alert_payloads.failed(what, self._hub)
        return await self._fire(Alert.FAILED, alert_id, snapshot, what.event_type, payload, what.event_id)

    async def sink_lost(self, lost: LostSink, others: int, snapshot: Snapshot) -> None:
        """Tell of a sink, once for each time it was last seen. Raises `Unavailable`."""
        seen_at, payload = lost.presence.seen_at, alert_payloads.sink_lost(lost, others, self._hub)
        alert_id = alerts.derived_id(Alert.SINK_LOST, seen_at, lost.sink.name)
        await self._fire(Alert.SINK_LOST, alert_id, snapshot, lost.sink.name, payload, str(others))

    async def schedules_late(self, late: Sequence[Late], snapshot: Snapshot) -> None:
        """Tell of schedules, once for each and the hour of its first tick that is late. Raises `Unavailable`.

        Of more than a few the newest are told of: those that stay late have been before.
        """
        for each in sorted(late, key=lambda one: one.tick, reverse=True)[:SCHEDULES_AT_ONCE]:
            alert_id = alerts.derived_id(Alert.SCHEDULE_LATE, alerts.hour_of(each.tick), each.source.name)
            if not await self._is_there(alert_id):
                now = self._life.now()
                payload = alert_payloads.schedule_late(each, len(late) - 1, now, self._hub)
                await self._fire(Alert.SCHEDULE_LATE, alert_id, snapshot, each.source.name, payload, now.isoformat())

    async def unroutable(self, what: Unroutable, snapshot: Snapshot) -> None:
        """Tell of events that nobody could run, once an hour for each type. Raises `Unavailable`."""
        now, name = self._life.now(), what.waited.event_type.name
        alert_id = alerts.derived_id(Alert.UNROUTABLE, alerts.hour_of(now), name)
        if await self._is_there(alert_id):
            return
        payload = alert_payloads.unroutable(what, now, self._hub)
        await self._fire(Alert.UNROUTABLE, alert_id, snapshot, name, payload, now.isoformat())

    async def _is_there(self, alert_id: str) -> bool:
        """Whether it was fired so long ago that whoever did is done with it: it has its message, too."""
        if alert_id in self._made:
            return True
        try:
            stored = await self._life.events.get(alert_id)
        except Missing:
            return False
        return stored.event.created_at < self._life.now() - SETTLED_AFTER

    async def _fire(
        self, alert: Alert, alert_id: str, snapshot: Snapshot, source: str, payload: JsonValue, variant: str
    ) -> bool:
        event_type = alerts.receiver(alert, snapshot)
        if event_type is None:
            return False
        await self._creator.create(
            NewEvent(
                event_type=event_type,
                source_kind=SourceKind.HUB,
                source=source,
                payload=strict_json.write(payload),
                # Two who fire the same alert may say different things: neither takes the other's blob.
                payload_name=f"{alert_id}/{variant}",
                id=alert_id,
            )
        )
        self._remember(alert_id)
        return True

    def _remember(self, alert_id: str) -> None:
        self._made[alert_id] = None
        while len(self._made) > REMEMBERED:
            del self._made[next(iter(self._made))]
