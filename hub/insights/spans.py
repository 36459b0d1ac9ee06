"""Spans from what happens to events and what requests are answered: noted in memory, never waited for.

One trace leads from the request that fired an event through its wait and its attempts to what follows. Ids are derived
from what is stored, so that a repeat is the same span, and nobody has to hand ids on. Attributes are ids, configured
names and the hub's own words: no payload, header, query, address, message or value.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hub.life.tally import ready_at
from hub.life.traces import Noted, note_fired
from hub.model.event import Code, Event
from hub.model.span import Span
from hub.rules.lifecycle import Changes, Holding
from hub.rules.metrics import OTHER
from hub.rules.tracing import Trace, run_span_of, span_id_of, trace_of

Tell = Callable[[Span], None]

_CODES: Final = frozenset(each.value for each in Code)


def event_span_of(event_id: str) -> str:
    """The span in which an event was made."""
    return span_id_of("event", event_id)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What its span says of it."""

    number: int
    claim_id: str
    sink: str
    started_at: datetime


class EventSpans:
    """Hears of everything that happens to events in this process."""

    def __init__(self, tell: Tell, now: Callable[[], datetime]) -> None:
        self._tell = tell
        self._now = now

    def fired(self, event: Event) -> None:
        """An event was made: by a request, or in its parent's wake."""
        note_fired(event.traceparent)
        if (trace := _recorded(event.traceparent)) is None:
            return
        parent = event_span_of(event.parent_id) if event.parent_id is not None else trace.span_id
        about = _about(event.id, event.event_type) | {"nexomatic.sink_type": event.sink_type}
        name = f"create {event.event_type}"
        span_id = event_span_of(event.id)
        self._tell(Span(trace.trace_id, span_id, parent, name, event.created_at, self._now(), about))

    def claimed(self, before: Event, claimed: Event) -> None:
        """An event has waited for its attempt."""
        trace, claim_id = _recorded(claimed.traceparent), claimed.claim_id
        if trace is None or claim_id is None:
            return
        about = _about(claimed.id, claimed.event_type) | {"nexomatic.attempt": claimed.attempt}
        ended = claimed.attempts[-1].started_at
        span_id, parent = span_id_of("wait", claim_id), event_span_of(claimed.id)
        name = f"wait {claimed.event_type}"
        self._tell(Span(trace.trace_id, span_id, parent, name, min(ready_at(before), ended), ended, about))

    def moved(self, held: Holding, changes: Changes) -> None:
        """A move was written by who holds the lease."""
        attempt = _Attempt(held.attempt, held.claim_id, held.sink, held.claimed_at)
        self._ran(held.event_id, held.event_type, held.traceparent, attempt, changes)

    def event_moved(self, before: Event, changes: Changes) -> None:
        """A move was written by who has read the row."""
        if before.attempts:
            last = before.attempts[-1]
            attempt = _Attempt(last.number, last.claim_id, last.sink, last.started_at)
            self._ran(before.id, before.event_type, before.traceparent, attempt, changes)

    def _ran(
        self, event_id: str, event_type: str, traceparent: str | None, attempt: _Attempt, changes: Changes
    ) -> None:
        """An attempt has ended."""
        trace, ending = _recorded(traceparent), changes.get("ending")
        if trace is None or ending is None:
            return
        code, state = changes.get("result_code"), changes.get("state")
        about = _about(event_id, event_type) | {
            "nexomatic.attempt": attempt.number,
            "nexomatic.sink": attempt.sink,
            "nexomatic.outcome": ending.outcome.value,
        }
        if state is not None:
            about["nexomatic.state"] = state.value
        if code is not None:
            about["nexomatic.result_code"] = code if code in _CODES else OTHER
        span_id, parent = run_span_of(attempt.claim_id), event_span_of(event_id)
        ended = max(ending.finished_at, attempt.started_at)
        failed = ending.outcome.value not in ("SUCCESS", "WARNING")
        self._tell(Span(trace.trace_id, span_id, parent, f"run {event_type}", attempt.started_at, ended, about, failed))


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that was answered."""

    route: str
    """The template: never the address."""
    traceparent: str | None
    """As it came with it."""
    noted: Noted
    began: datetime
    ended: datetime
    status: int


def request_span(seen: Seen) -> Span | None:
    """The span of a request that belongs to a trace: that of its lease, else of its caller, else of what it made.

    None: it belongs to none. What a caller says counts only for a request that made an event.
    """
    made = trace_of(seen.noted.fired)
    given = trace_of(seen.noted.within) or (trace_of(seen.traceparent) if made is not None else None)
    trace = given or made
    if trace is None or not trace.sampled:
        return None
    # What the hub made up for the events of a request that came without is the request's own span.
    span_id, parent = (secrets.token_hex(8), given.span_id) if given is not None else (trace.span_id, None)
    about: dict[str, str | int] = {"nexomatic.route": seen.route, "nexomatic.status": seen.status}
    return Span(trace.trace_id, span_id, parent, seen.route, seen.began, seen.ended, about, seen.status >= 500)


def _recorded(traceparent: str | None) -> Trace | None:
    trace = trace_of(traceparent)
    return trace if trace is not None and trace.sampled else None


def _about(event_id: str, event_type: str) -> dict[str, str | int]:
    return {"nexomatic.event_id": event_id, "nexomatic.event_type": event_type}
