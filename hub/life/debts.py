"""Debts: the follow-on that a final event owes. Whoever meets such a row pays first; one that owes nothing never does.

The order is fixed: the final row with what it owes, then the follow-on (row and hint), then the debt is cleared. A
crash between any two leaves a row that still says what is missing, and the follow-on's id is part of it, so paying
twice makes one event.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from hub.errors import Changed, Missing
from hub.life.context import LifeContext
from hub.life.create import Creator, NewEvent
from hub.model.configuration import EventType, SourceKind
from hub.model.event import Content, Event, State
from hub.model.snapshot import Snapshot
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
    traceparent: str | None
    correlation_id: str | None


def debt_of(event: Event) -> Debt | None:
    """What a final event still owes."""
    if event.owes is None or event.owes_event_type is None:
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
        traceparent=event.traceparent,
        correlation_id=event.correlation_id,
    )


def debt_from(held: Holding, changes: Changes) -> Debt | None:
    """The same from a move that has just been written without reading the row."""
    owes, owes_event_type = changes.get("owes"), changes.get("owes_event_type")
    if owes is None or owes_event_type is None:
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
        traceparent=held.traceparent,
        correlation_id=held.correlation_id,
    )


class Debts:
    """Pays what final events owe."""

    def __init__(self, context: LifeContext, creator: Creator) -> None:
        self._life = context
        self._creator = creator

    async def settle(self, stored: Stored) -> None:
        """Pay what this final row owes, if anything."""
        debt = debt_of(stored.event)
        if debt is not None:
            await self.pay(debt, stored.etag)

    async def pay(self, debt: Debt, etag: str) -> None:
        """Create the follow-on, then clear the debt."""
        snapshot = await self._life.configuration()
        event_type, why_not = _follower(debt.owes_event_type, snapshot)
        if event_type is None:
            skipped: Changes = {"follow_on": None, "follow_on_skipped": why_not}
            return await self._clear(debt, skipped, etag)
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
                traceparent=debt.traceparent,
                correlation_id=debt.correlation_id,
            )
        )
        return await self._clear(debt, {}, etag)

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
