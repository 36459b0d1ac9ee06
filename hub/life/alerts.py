"""Alerts, fired: an event of a reserved EventType, if somebody has configured one to be told by."""

from __future__ import annotations

from collections.abc import Callable, Container
from datetime import datetime
from typing import Any, Final

from hub.life.create import Creator, NewEvent
from hub.model.configuration import SourceKind
from hub.model.snapshot import Snapshot
from hub.rules import alert_payloads, alerts, strict_json
from hub.rules.alert_payloads import Failed
from hub.rules.alerts import Alert

REMEMBERED: Final = 1000


class Alerts:
    """Fires alerts. Any number of processes may fire the same one, and make one event of it.

    It remembers some that it has made, so that what a flood of failures costs is not multiplied by what each is told
    by. Nothing depends on that memory.
    """

    def __init__(self, creator: Creator, hub: str | None) -> None:
        """`hub`: its public address, if it has one."""
        self._creator = creator
        self._hub = hub
        self._made: dict[str, None] = {}

    @property
    def made(self) -> Container[str]:
        """Alerts that are known to be there."""
        return self._made

    async def fire(
        self,
        alert: Alert,
        *about: str,
        at: datetime,
        snapshot: Snapshot,
        source: str,
        payload: Callable[[str | None], dict[str, Any]],
    ) -> bool:
        """Fire it, unless it was: what it is about and when that was make its id. False: nobody wants to be told.

        `at` is a fact and never a clock's time. `payload` is given the hub's public address. `source` is the name of
        what it tells of. Raises `Unavailable`; then it may be fired again.
        """
        return await self._fire(alert, alerts.derived_id(alert, at, *about), snapshot, source, payload, source)

    async def failed(self, what: Failed, alert_id: str, snapshot: Snapshot) -> bool:
        """Tell of an event that failed, with the alert it owes; the same for all of its type in one minute."""
        return await self._fire(
            Alert.FAILED,
            alert_id,
            snapshot,
            what.event_type,
            lambda hub: alert_payloads.failed(what, hub),
            what.event_id,
        )

    async def _fire(
        self,
        alert: Alert,
        alert_id: str,
        snapshot: Snapshot,
        source: str,
        payload: Callable[[str | None], dict[str, Any]],
        variant: str,
    ) -> bool:
        event_type = alerts.receiver(alert, snapshot)
        if event_type is None:
            return False
        await self._creator.create(
            NewEvent(
                event_type=event_type,
                source_kind=SourceKind.HUB,
                source=source,
                payload=strict_json.write(payload(self._hub)),
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
