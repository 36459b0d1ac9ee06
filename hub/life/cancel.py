"""Cancel: QUEUED or RUNNING to ERROR, tried until it is written or the event is final."""

from __future__ import annotations

from hub.audit.attempt import intend
from hub.errors import Changed, Missing, NotFound, Rejected
from hub.life.context import LifeContext
from hub.life.debts import Debts
from hub.limits.slots import Slots
from hub.model.audit import Change
from hub.model.event import Code, Event, State
from hub.rules import lifecycle
from hub.rules.lifecycle import Edges
from hub.rules.resolving import edges_unclaimed
from hub.storage.events import Stored


class Canceller:
    """Cancels events."""

    def __init__(self, context: LifeContext, debts: Debts, slots: Slots) -> None:
        self._life = context
        self._debts = debts
        self._slots = slots

    async def cancel(self, event_id: str, message: str = "cancelled") -> Event:
        """The event, cancelled. One cancelled before is success, one that has ended otherwise is too late.

        Raises `NotFound`, or `Rejected` when it is too late.
        """
        while True:
            stored = await self._read(event_id)
            if stored.event.state.final:
                return await self._final(stored)
            changes = lifecycle.cancel(stored.event, await self._edges(stored.event), self._life.now(), message)
            await intend([_told(stored.event)])
            try:
                etag = await self._life.events.merge(event_id, changes, stored.etag)
            except (Changed, Missing):
                continue  # a renewal, a claim, or our own write whose answer was lost: the row says which
            self._life.news.event_moved(stored.event, changes)
            cancelled = Stored(lifecycle.apply(stored.event, changes), etag)
            await self._after(stored.event, cancelled)
            return cancelled.event

    async def _read(self, event_id: str) -> Stored:
        try:
            return await self._life.events.get(event_id)
        except Missing:
            raise NotFound(f"there is no event {event_id}") from None

    async def _final(self, stored: Stored) -> Event:
        if stored.event.result_code != Code.CANCELLED:
            raise Rejected(f"too late: the event ended as {stored.event.state} before")
        await self._debts.settle(stored)
        return stored.event

    async def _edges(self, event: Event) -> Edges:
        if event.state is State.RUNNING:
            return lifecycle.holding(event).edges
        return edges_unclaimed(event, await self._life.configuration())

    async def _after(self, before: Event, cancelled: Stored) -> None:
        if before.state is State.RUNNING and before.sink is not None and before.claim_id is not None:
            self._life.cancelled(before.sink, before.id)
            await self._release(before.event_type, before.claim_id)
        await self._debts.settle(cancelled)

    async def _release(self, event_type: str, claim_id: str) -> None:
        snapshot = await self._life.configuration()
        found = snapshot.event_type(event_type)
        if found is not None and found.max_running is not None:
            await self._slots.release_of(event_type, claim_id)


def _told(event: Event) -> Change:
    """As the audit shows it."""
    after = {"state": State.ERROR.value, "result_code": Code.CANCELLED.value}
    return Change(resource=f"events/{event.id}", before={"state": event.state.value}, after={**after})
