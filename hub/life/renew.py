"""Renew: the lease goes on, row first, then the slot's and the message's share of it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.errors import StaleReceipt, Superseded, TimedOut
from hub.life import fence
from hub.life.complete import Completion
from hub.life.context import LifeContext
from hub.life.fence import RecordedBefore, Written
from hub.life.lease import Lease
from hub.limits.slots import Slots
from hub.model.event import Code, Outcome, State
from hub.rules import lifecycle
from hub.rules.lifecycle import Report


@dataclass(frozen=True, slots=True)
class Renewal:
    """The lease as it goes on, and whether somebody reads the event's log."""

    lease: Lease
    watched: bool


class Renewer:
    """Renews leases."""

    def __init__(self, context: LifeContext, slots: Slots, completion: Completion) -> None:
        self._life = context
        self._slots = slots
        self._completion = completion

    async def renew(self, lease: Lease) -> Renewal:
        """One more lease from now. Raises `Superseded`, `Cancelled` or `TimedOut` when it is over."""
        now = self._life.now()
        if now >= lease.holding.run_until:
            await self._end(lease)
        # Computed once: slot and row must agree, or one would outlive the other.
        until = now + timedelta(seconds=lease.lease_seconds)
        if lease.slot is not None:
            await self._slots.renew(lease.holding.event_type, lease.slot, lease.claim_id, until)
        written = await fence.write(self._life.events, lease, lambda held: lifecycle.renew(held, until))
        if isinstance(written, RecordedBefore):
            raise Superseded("this attempt's result has been recorded")
        renewed = lease.renewed(
            etag=written.etag,
            lease_until=written.changes["lease_until"] or until,
            receipt=await self._hide(lease, until, now),
        )
        self._life.news.tally.renewed()
        return Renewal(renewed, watched=_watched(written, now))

    async def _hide(self, lease: Lease, until: datetime, now: datetime) -> str:
        hidden = (until + self._life.margin() - now).total_seconds()
        # A stale receipt: the hint is another's now, who will find this lease alive. The row has been renewed.
        with suppress(StaleReceipt):
            return await self._life.queues.update(lease.queue, lease.message_id, lease.receipt, hidden_seconds=hidden)
        return lease.receipt

    async def _end(self, lease: Lease) -> None:
        """The attempt is past its run time-out and grace, and its sink did not end it: the hub does."""
        seconds = self._life.terms.run_grace_seconds
        message = f"the attempt ran {seconds:g} s longer than its time-out, and its sink did not end it"
        report = Report(State.ERROR, Outcome.TIMED_OUT, Code.RUN_TIMEOUT, message)
        await self._completion.end(lease, report)
        raise TimedOut


def _watched(written: Written, now: datetime) -> bool:
    # A viewer's mark changes the row, so the renewal after it meets a stale ETag and reads it: that is how it is seen.
    seen = written.seen
    return seen is not None and seen.watched_until is not None and seen.watched_until > now
