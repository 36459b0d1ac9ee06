"""Debts: the follow-on, or the alert of its failure, that a final event owes.

Whoever meets such a row pays first; one that owes nothing never does.

The order is fixed: the final row with what it owes, then the follow-on (row and hint), then the debt is cleared. A
crash between any two leaves a row that still says what is missing, and the follow-on's id is part of it, so paying
twice makes one event.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from hub.errors import Changed, Missing
from hub.life.alerts import Alerts
from hub.life.context import LifeContext
from hub.life.create import Creator, NewEvent
from hub.model.configuration import EventType, SourceKind
from hub.model.event import Code, Content, Event, State
from hub.model.snapshot import Snapshot
from hub.rules import alerts
from hub.rules.alert_payloads import Failed
from hub.rules.alerts import FailureAlert
from hub.rules.lifecycle import Changes, Holding
from hub.storage import keys
from hub.storage.events import Stored


@dataclass(frozen=True, slots=True)
class Debt:
    """A final event, as far as its follow-on must know it."""

    event_id: str
    event_type: str
    root_id: str
    depth: int
    state: State
    result_code: str | None
    result_message: str | None
    result_data: Content | None
    owes: str
    owes_event_type: str
    is_alert: bool
    """It owes the alert of its failure, and not a follow-on."""
    finished_at: datetime
    sink: str | None
    attempt: int
    silent: bool
    traceparent: str | None
    correlation_id: str | None


def debt_of(event: Event) -> Debt | None:
    """What a final event still owes."""
    if event.owes is None or event.owes_event_type is None or event.finished_at is None:
        return None
    return Debt(
        event_id=event.id,
        event_type=event.event_type,
        root_id=event.root_id,
        depth=event.depth,
        state=event.state,
        result_code=event.result_code,
        result_message=event.result_message,
        result_data=event.result_data,
        owes=event.owes,
        owes_event_type=event.owes_event_type,
        is_alert=event.owes == event.alert,
        finished_at=event.finished_at,
        sink=event.sink,
        attempt=event.attempt,
        silent=event.silent,
        traceparent=event.traceparent,
        correlation_id=event.correlation_id,
    )


def debt_from(held: Holding, changes: Changes) -> Debt | None:
    """The same from a move that has just been written without reading the row."""
    owes, owes_event_type, finished_at = changes.get("owes"), changes.get("owes_event_type"), changes.get("finished_at")
    if owes is None or owes_event_type is None or finished_at is None:
        return None
    return Debt(
        event_id=held.event_id,
        event_type=held.event_type,
        root_id=held.root_id,
        depth=held.depth,
        state=changes["state"],
        result_code=changes.get("result_code"),
        result_message=changes.get("result_message"),
        result_data=changes.get("result_data"),
        owes=owes,
        owes_event_type=owes_event_type,
        is_alert=owes == changes.get("alert"),
        finished_at=finished_at,
        sink=held.sink,
        attempt=held.attempt,
        silent=held.silent,
        traceparent=held.traceparent,
        correlation_id=held.correlation_id,
    )


class Debts:
    """Pays what final events owe."""

    def __init__(self, context: LifeContext, creator: Creator, alerts: Alerts) -> None:
        self._life = context
        self._creator = creator
        self._alerts = alerts

    async def settle(self, stored: Stored) -> None:
        """Pay what this final row owes, if anything."""
        debt = debt_of(stored.event)
        if debt is not None:
            await self.pay(debt, stored.etag)

    async def pay(self, debt: Debt, etag: str) -> None:
        """Create what is owed, then clear the debt."""
        snapshot = await self._life.configuration()
        if debt.is_alert:
            told: Changes = {} if await self._tell(debt, debt.owes, snapshot) else {"alert": None}
            return await self._clear(debt, told, etag)
        event_type, why_not = _follower(debt.owes_event_type, snapshot)
        if event_type is None:
            skipped: Changes = {"follow_on": None, "follow_on_skipped": why_not}
            return await self._clear(debt, {**skipped, **await self._unhandled(debt, snapshot)}, etag)
        await self._creator.create(
            NewEvent(
                event_type=event_type,
                source_kind=SourceKind.FOLLOW_ON,
                payload=await self._payload(debt),
                source=debt.event_type,
                id=debt.owes,
                parent_id=debt.event_id,
                root_id=debt.root_id,
                depth=debt.depth + 1,
                silent=debt.silent,
                traceparent=debt.traceparent,
                correlation_id=debt.correlation_id,
            )
        )
        return await self._clear(debt, {}, etag)

    def alert(self, of: Event | Holding, at: datetime, snapshot: Snapshot) -> FailureAlert | None:
        """What an event that ends as ERROR now, and that nothing handles, is to owe; None: nobody is told."""
        return alerts.of_failure(of.event_type, at, snapshot, silent=of.silent, made=self._alerts.made)

    async def _unhandled(self, debt: Debt, snapshot: Snapshot) -> Changes:
        """Its failure handler cannot be fired: then it is a failure without one, which is told of at once."""
        if debt.state is not State.ERROR or debt.result_code == Code.CANCELLED:
            return {}
        alert = alerts.of_failure(debt.event_type, debt.finished_at, snapshot, silent=debt.silent)
        if alert is None or not await self._tell(debt, alert.event_id, snapshot):
            return {}
        return {"alert": alert.event_id}

    async def _tell(self, debt: Debt, alert_id: str, snapshot: Snapshot) -> bool:
        """Whether the alert of its failure is there; False: nobody wants to be told any more."""
        failed = Failed(
            event_id=debt.event_id,
            event_type=debt.event_type,
            root_id=debt.root_id,
            result_code=debt.result_code,
            result_message=debt.result_message,
            finished_at=debt.finished_at,
            sink=debt.sink,
            attempt=debt.attempt,
            correlation_id=debt.correlation_id,
        )
        return await self._alerts.failed(failed, alert_id, snapshot)

    async def _clear(self, debt: Debt, changes: Changes, etag: str) -> None:
        cleared: Changes = {**changes, "owes": None, "owes_event_type": None}
        while True:
            try:
                await self._life.events.merge(debt.event_id, cleared, etag)
                return
            except Missing:
                return
            except Changed:
                # Somebody else paid, or only marked the row: what it says now decides.
                try:
                    stored = await self._life.events.get(debt.event_id)
                except Missing:
                    return
                if stored.event.owes != debt.owes:
                    return
                etag = stored.etag

    async def _payload(self, debt: Debt) -> bytes:
        data = b"null"
        if debt.result_data is not None:
            data = await self._life.contents.load(keys.RESULTS, debt.result_data)
        parent = {
            "id": debt.event_id,
            "event_type": debt.event_type,
            "state": debt.state.value,
            "result_code": debt.result_code,
            "result_message": debt.result_message,
        }
        # The result is JSON text already: it goes in as it is, without being read and written again.
        head = json.dumps({"parent": parent}, separators=(",", ":"), ensure_ascii=False).encode()
        return head[: -len(b"}}")] + b',"result_data":' + data + b"}}"


def _follower(name: str, snapshot: Snapshot) -> tuple[EventType | None, str]:
    event_type = snapshot.event_type(name)
    if event_type is None:
        return None, f"{name} was not fired: there is no such event type any more"
    if not event_type.enabled:
        return None, f"{name} was not fired: it is disabled"
    if SourceKind.FOLLOW_ON not in event_type.sources:
        return None, f"{name} was not fired: it may not be fired as a follow-on"
    return event_type, ""
