"""Complete: the end of an attempt, as its sink reports it, as the hub decides it, or as it is handed back."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from hub.errors import StaleReceipt
from hub.life import fence
from hub.life.context import LifeContext
from hub.life.debts import Debts, debt_from
from hub.life.fence import RecordedBefore, Written
from hub.life.lease import Lease
from hub.life.logs import Logs
from hub.limits.slots import Slots
from hub.model.event import State
from hub.rules import lifecycle
from hub.rules.lifecycle import Changes, Holding, Report
from hub.rules.retrying import Retry, decide
from hub.storage import codec
from hub.wire import Chunk


class Completion:
    """Ends attempts. Every step may be repeated: the row says how far the last try came."""

    def __init__(self, context: LifeContext, debts: Debts, slots: Slots, logs: Logs) -> None:
        self._life = context
        self._debts = debts
        self._slots = slots
        self._logs = logs

    async def end(self, lease: Lease, report: Report, chunks: Sequence[Chunk] = ()) -> None:
        """Final, or QUEUED again when the retry policy says so. Raises `Superseded` and its kind."""
        now = self._life.now()
        again_at = await self._again_at(lease.holding, report, now)
        alert = None
        if report.state is State.ERROR and again_at is None:
            alert = self._debts.alert(lease.holding, now, await self._life.configuration())
        log_tail = await self._logs.tail(lease, chunks, final=again_at is None)

        def make(held: Holding) -> Changes:
            if again_at is not None:
                return lifecycle.retry(held, report, now, again_at)
            return lifecycle.finish(held, report, now, alert)

        written = await fence.write(self._life.events, lease, make, log_tail=log_tail)
        # A renewal whose answer was lost has the receipt, and has hidden the hint for a whole lease. Not for a report
        # that is only repeated: each would put another.
        fresh_hint = again_at is not None and not isinstance(written, RecordedBefore)
        await self._carry_out(lease, written, fresh_hint=fresh_hint)

    async def _again_at(self, held: Holding, report: Report, now: datetime) -> datetime | None:
        """When the retry policy tries again; None: this is the end."""
        if report.state is not State.ERROR:
            return None
        policy = (await self._life.configuration()).retry_policy(held.event_type)
        decision = decide(policy, failures=held.failures + 1, code=report.code, fraction=self._life.fraction())
        return now + timedelta(seconds=decision.delay_seconds) if isinstance(decision, Retry) else None

    async def hand_back(self, lease: Lease, *, started: bool, message: str | None) -> None:
        """QUEUED again, or ERROR as `on_lost` says, at once instead of when the lease runs out."""
        # First of all: what is handed back would be given to the poll that the dead process left behind.
        self._life.restarted(lease.holding.sink)
        snapshot = await self._life.configuration()
        policy = snapshot.retry_policy(lease.holding.event_type)
        now = self._life.now()
        alert = self._debts.alert(lease.holding, now, snapshot)

        def make(held: Holding) -> Changes:
            return lifecycle.hand_back(held, policy, started=started, message=message, at=now, alert=alert)

        written = await fence.write(self._life.events, lease, make)
        await self._carry_out(lease, written, fresh_hint=True)

    async def _carry_out(self, lease: Lease, written: Written | RecordedBefore, *, fresh_hint: bool = False) -> None:
        """What follows the row: the follow-on, the message, the slot, in this order."""
        if isinstance(written, RecordedBefore):
            event = written.stored.event
            state, not_before = event.state, event.not_before
            await self._debts.settle(written.stored)
        else:
            self._life.news.moved(lease.holding, written.changes)
            state, not_before = written.changes["state"], written.changes.get("not_before")
            debt = debt_from(lease.holding, written.changes)
            if debt is not None:
                await self._debts.pay(debt, written.etag)
        if state.final:
            await self._delete_hint(lease)
        elif state is State.QUEUED:
            await self._show_hint(lease, not_before, fresh_hint)
        if lease.slot is not None:
            await self._slots.release(lease.holding.event_type, lease.slot, lease.claim_id)

    async def _delete_hint(self, lease: Lease) -> None:
        # A stale receipt: somebody else has received the hint; they will find the row final and delete it.
        with suppress(StaleReceipt):
            await self._life.queues.delete(lease.queue, lease.message_id, lease.receipt)

    async def _show_hint(self, lease: Lease, not_before: datetime | None, fresh: bool) -> None:
        """Let the hint come back when the event is due; `fresh`: put a new one if this one is another's now."""
        wait = max(0.0, (not_before - self._life.clock.now()).total_seconds()) if not_before else 0.0
        try:
            await self._life.queues.update(lease.queue, lease.message_id, lease.receipt, hidden_seconds=wait)
        except StaleReceipt:
            if not fresh:
                return
            hint = codec.encode_hint(codec.Hint(lease.event_id))
            await self._life.queues.put(lease.queue, hint, hidden_seconds=wait)
        if not wait:
            self._life.wake(lease.queue)
