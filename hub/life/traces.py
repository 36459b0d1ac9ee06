"""Which trace a request belongs to: noted where it becomes known, read by the shell around it."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from hub.life.lease import Lease
from hub.rules.tracing import inside, run_span_of


@dataclass(slots=True)
class Noted:
    """What is known of one request."""

    fired: str | None = None
    """The `traceparent` of the first event that it made."""
    within: str | None = None
    """The `traceparent` of the attempt on whose behalf it came, by its lease."""


here: Final[ContextVar[Noted | None]] = ContextVar("the trace of this request", default=None)
"""None: nobody collects traces."""


def note_fired(traceparent: str | None) -> None:
    """The request made an event."""
    noted = here.get()
    if noted is not None and noted.fired is None:
        noted.fired = traceparent


def note_lease(lease: Lease) -> None:
    """The request came under this lease."""
    noted = here.get()
    if noted is not None:
        noted.within = inside(lease.holding.traceparent, run_span_of(lease.claim_id))
