"""The fence: a write by the holder of a lease, and by nobody else.

The row is merged unread under the lease's ETag. When that is stale (an answer was lost, a viewer marked the row), the
row decides: RUNNING under this claim id, the write is made again on the version read; ended by this claim's own
report, it was recorded before; else the lease is over and nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.errors import Cancelled, Changed, LeaseRunOut, Missing, Superseded, TimedOut
from hub.life.lease import Lease
from hub.model.event import Attempt, Code, Event, Outcome, State
from hub.rules import lifecycle
from hub.rules.lifecycle import Changes, Holding
from hub.storage.events import EventRows, Stored

REPORTED = frozenset({Outcome.SUCCESS, Outcome.WARNING, Outcome.ERROR, Outcome.RETURNED, Outcome.NOT_STARTED})
"""Ends that only the holder's own report, or what it handed back, can have written."""


@dataclass(frozen=True, slots=True)
class Written:
    """The write took effect. `seen` is the row as it was read before, if it had to be."""

    changes: Changes
    etag: str
    seen: Event | None = None


@dataclass(frozen=True, slots=True)
class RecordedBefore:
    """This claim's report is in the row already: the answer to it was lost."""

    stored: Stored


async def write(
    rows: EventRows, lease: Lease, make: Callable[[Holding], Changes], *, log_tail: bytes = b""
) -> Written | RecordedBefore:
    """Merge what `make` says on behalf of this lease. Raises `Superseded`, `Cancelled` or `TimedOut`: it is over."""
    held, etag, seen = lease.holding, lease.etag, None
    while True:
        changes = make(held)
        try:
            return Written(changes, await rows.merge(lease.event_id, changes, etag, log_tail=log_tail), seen)
        except Missing:
            raise Superseded from None
        except Changed:
            stored = await read(rows, lease.event_id)
        if not holds(stored.event, lease.claim_id):
            return _recorded_or_over(stored, lease.claim_id)
        held, etag, seen = lifecycle.holding(stored.event), stored.etag, stored.event


async def read(rows: EventRows, event_id: str) -> Stored:
    """The row; one that retention has taken is nobody's any more. Raises `Superseded`."""
    try:
        return await rows.get(event_id)
    except Missing:
        raise Superseded from None


def holds(event: Event, claim_id: str) -> bool:
    """Whether this claim holds the event now."""
    return event.state is State.RUNNING and event.claim_id == claim_id


def held(event: Event, claim_id: str, now: datetime, margin: timedelta) -> Attempt:
    """The attempt, if this claim holds it now. Raises `Superseded` and its kind, `LeaseRunOut`."""
    attempt = next((each for each in event.attempts if each.claim_id == claim_id), None)
    if attempt is None or not holds(event, claim_id):
        raise over(attempt)
    # Judged as those judge it who would take the event over. The holder may renew, and so learn whose it is.
    if not _alive(event.lease_until, now, margin) or not _alive(event.run_until, now, timedelta()):
        raise LeaseRunOut
    return attempt


def _alive(until: datetime | None, now: datetime, margin: timedelta) -> bool:
    return until is not None and now < until + margin


def _recorded_or_over(stored: Stored, claim_id: str) -> RecordedBefore:
    attempt = next((each for each in stored.event.attempts if each.claim_id == claim_id), None)
    if attempt is not None and attempt.outcome in REPORTED:
        return RecordedBefore(stored)
    raise over(attempt)


def over(attempt: Attempt | None) -> Superseded:
    """Why a lease is over, as the sink is told."""
    if attempt is not None and attempt.outcome is Outcome.CANCELLED:
        return Cancelled()
    if attempt is not None and attempt.result_code == Code.RUN_TIMEOUT:
        return TimedOut()
    return Superseded()
