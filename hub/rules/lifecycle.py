"""The life of an event: the one transition table, and every move as a named function.

::

              (source fires)
                    v
     +---------> QUEUED --claim--> RUNNING --+--> SUCCESS --(on_success)--> new event QUEUED
     |              ^                 |      +--> WARNING --(on_warning)--> new event QUEUED
     | retry policy |  lease lost,    |      +--> ERROR   --(on_failure)--> new event QUEUED
     +--------------+  handed back ---+             ^
    QUEUED or RUNNING --cancel, time-out, lost------+

A move takes what is known of the event and gives the columns to write: the same rule serves a writer that has read
the row and one that holds only its lease. One file, though a long one, because the table and its moves are one thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TypedDict

from hub.errors import IllegalMove
from hub.model.configuration import OnLost, RetryPolicy
from hub.model.event import Attempt, Code, Content, Event, Outcome, Run, State
from hub.rules import ids
from hub.rules.alerts import FailureAlert

MAX_DEPTH = 32
"""A chain of follow-ons ends here: one that leads back to itself would run for ever. The one beyond is made and ends in
ERROR, so that everybody sees it.

It is the budget of a root too: each event has one follow-on at most, so what comes of a root is a chain, and depth
counts it exactly, without anybody counting.
"""
KEPT_ATTEMPTS = 50
"""How many attempts a row keeps, the newest."""
ATTEMPT_MESSAGE_CHARS = 500
NOT_FIRED = frozenset({Code.SCHEDULE_CHANGED, Code.SCHEDULE_PAUSED, Code.OVERLAPPED})
"""Ends of events that a schedule made ahead of their time, or made in vain: nothing follows them, no handler either."""


class Move(Enum):
    """Every way a state may change."""

    CLAIM = "claim"
    RENEW = "renew"
    FINISH = "finish"
    RETRY = "retry"
    LOSE = "lose"
    HAND_BACK = "hand back"
    CANCEL = "cancel"
    REJECT = "reject"

    def check(self, before: State, after: State) -> State:
        """The state after, if the table has this move; raises `IllegalMove` otherwise."""
        sources, targets = TRANSITIONS[self]
        if before not in sources or after not in targets:
            raise IllegalMove(f"{self.value} does not lead from {before} to {after}")
        return after


TRANSITIONS: dict[Move, tuple[frozenset[State], frozenset[State]]] = {
    Move.CLAIM: (frozenset({State.QUEUED}), frozenset({State.RUNNING})),
    Move.RENEW: (frozenset({State.RUNNING}), frozenset({State.RUNNING})),
    Move.FINISH: (frozenset({State.RUNNING}), frozenset({State.SUCCESS, State.WARNING, State.ERROR})),
    Move.RETRY: (frozenset({State.RUNNING}), frozenset({State.QUEUED})),
    Move.LOSE: (frozenset({State.RUNNING}), frozenset({State.QUEUED, State.ERROR})),
    Move.HAND_BACK: (frozenset({State.RUNNING}), frozenset({State.QUEUED, State.ERROR})),
    Move.CANCEL: (frozenset({State.QUEUED, State.RUNNING}), frozenset({State.ERROR})),
    Move.REJECT: (frozenset({State.QUEUED}), frozenset({State.ERROR})),
}
"""The one table: from which states each move leads to which. Whatever is not here does not happen."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How one attempt ended, as it is added to the attempts history."""

    number: int
    claim_id: str
    finished_at: datetime
    outcome: Outcome
    result_code: str | None = None
    result_message: str | None = None


class Changes(TypedDict, total=False):
    """What a move writes: fields of `Event`, and the ending of one attempt."""

    state: State
    not_before: datetime | None
    failures: int
    lost: int
    sink: str | None
    claim_id: str | None
    lease_until: datetime | None
    run_until: datetime | None
    confirmed: bool
    result_code: str | None
    result_message: str | None
    result_data: Content | None
    finished_at: datetime | None
    owes: str | None
    owes_event_type: str | None
    follow_on: str | None
    follow_on_skipped: str | None
    alert: str | None
    reruns: str | None
    previous: str | None
    queue: str
    hints: int
    watched_until: datetime | None
    ending: Ending


@dataclass(frozen=True, slots=True)
class Edges:
    """Which EventType follows which end."""

    on_success: str | None = None
    on_warning: str | None = None
    on_failure: str | None = None

    def after(self, state: State) -> str | None:
        return {State.SUCCESS: self.on_success, State.WARNING: self.on_warning, State.ERROR: self.on_failure}[state]


@dataclass(frozen=True, slots=True)
class Holding:
    """What a lease says of the event it is on: enough to end the attempt without reading the row."""

    event_id: str
    event_type: str
    sink: str
    attempt: int
    failures: int
    lost: int
    claim_id: str
    depth: int
    root_id: str
    edges: Edges
    claimed_at: datetime
    lease_until: datetime
    run_until: datetime
    confirm: bool
    traceparent: str | None = None
    correlation_id: str | None = None
    silent: bool = False

    @property
    def state(self) -> State:
        return State.RUNNING


@dataclass(frozen=True, slots=True)
class Claim:
    """A sink's claim, with everything resolved that the attempt will need."""

    claim_id: str
    sink: str
    at: datetime
    lease_until: datetime
    run_until: datetime
    run: Run
    edges: Edges
    confirm: bool
    static: bytes | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What is said of the end of an attempt: by the sink, or by the hub in its place."""

    state: State
    outcome: Outcome
    code: str | None = None
    message: str | None = None
    data: Content | None = None


def holding(event: Event) -> Holding:
    """The same as a lease says, from the row of a RUNNING event."""
    Move.RENEW.check(event.state, State.RUNNING)
    if event.claim_id is None or event.sink is None or event.lease_until is None or event.run_until is None:
        raise IllegalMove(f"event {event.id} is RUNNING without a claim")
    return Holding(
        event_id=event.id,
        event_type=event.event_type,
        sink=event.sink,
        attempt=event.attempt,
        failures=event.failures,
        lost=event.lost,
        claim_id=event.claim_id,
        depth=event.depth,
        root_id=event.root_id,
        edges=Edges(event.on_success, event.on_warning, event.on_failure),
        claimed_at=event.attempts[-1].started_at if event.attempts else event.created_at,
        lease_until=event.lease_until,
        run_until=event.run_until,
        confirm=event.confirm,
        traceparent=event.traceparent,
        correlation_id=event.correlation_id,
        silent=event.silent,
    )


def claim(event: Event, by: Claim) -> Event:
    """QUEUED -> RUNNING: the whole row as it is to be, one attempt richer."""
    number = event.attempt + 1
    attempt = Attempt(number=number, claim_id=by.claim_id, sink=by.sink, started_at=by.at, run=by.run)
    return event.model_copy(
        update={
            "state": Move.CLAIM.check(event.state, State.RUNNING),
            "attempt": number,
            "sink": by.sink,
            "claim_id": by.claim_id,
            "lease_until": by.lease_until,
            "run_until": by.run_until,
            "confirm": by.confirm,
            "confirmed": False,
            "hints": 0,
            "not_before": None,
            "attempts": (*event.attempts, attempt)[-KEPT_ATTEMPTS:],
            "on_success": by.edges.on_success,
            "on_warning": by.edges.on_warning,
            "on_failure": by.edges.on_failure,
            "static": by.static,
            "started_at": event.started_at or by.at,
        }
    )


def renew(held: Holding, lease_until: datetime) -> Changes:
    """The lease goes on. It never moves back: a renewal that was stalled would end it early."""
    return {"lease_until": max(held.lease_until, lease_until), "confirmed": True}


def finish(held: Holding, report: Report, at: datetime, alert: FailureAlert | None = None) -> Changes:
    """RUNNING -> SUCCESS, WARNING or ERROR, with what follows owed.

    Here as in every move that may end as ERROR, `alert` is what tells of that if nothing else follows; None: nobody is
    to be told.
    """
    return {
        "state": Move.FINISH.check(held.state, report.state),
        "claim_id": None,
        "failures": held.failures + (report.state is State.ERROR),
        "result_data": report.data,
        "ending": _ending(held, report, at),
        **_final(held, held.edges, report.state, report.code, report.message, at, alert),
    }


def retry(held: Holding, report: Report, at: datetime, not_before: datetime) -> Changes:
    """RUNNING -> QUEUED after an ERROR that the retry policy tries again, not before its back-off."""
    return {
        "state": Move.RETRY.check(held.state, State.QUEUED),
        "claim_id": None,
        "failures": held.failures + 1,
        "lease_until": None,
        "not_before": not_before,
        "ending": _ending(held, report, at),
    }


def lose(
    held: Holding, policy: RetryPolicy, *, confirmed: bool, at: datetime, alert: FailureAlert | None = None
) -> Changes:
    """RUNNING -> QUEUED or ERROR: the lease ran out and nobody renewed it.

    Work that must not start twice, and was claimed but never confirmed, has not started: it is queued again.
    """
    if held.confirm and not confirmed:
        return _give_back(Move.LOSE, held, Outcome.NOT_STARTED, "the claim was never confirmed", held.lost, at)
    return _lost(Move.LOSE, held, policy, Outcome.LOST, "the sink stopped renewing its lease", at, alert)


def hand_back(
    held: Holding,
    policy: RetryPolicy,
    *,
    started: bool,
    message: str | None,
    at: datetime,
    alert: FailureAlert | None = None,
) -> Changes:
    """RUNNING -> QUEUED or ERROR: the sink returns what it held before it restarted."""
    if not started:
        return _give_back(Move.HAND_BACK, held, Outcome.NOT_STARTED, message, held.lost, at)
    return _lost(Move.HAND_BACK, held, policy, Outcome.RETURNED, message or "the sink restarted", at, alert)


def cancel(event: Event, edges: Edges, at: datetime, message: str) -> Changes:
    """QUEUED or RUNNING -> ERROR. Somebody wanted it so: nobody is alerted."""
    changes: Changes = {
        "state": Move.CANCEL.check(event.state, State.ERROR),
        "claim_id": None,
        **_final(event, edges, State.ERROR, Code.CANCELLED, message, at),
    }
    if event.state is State.RUNNING:
        report = Report(State.ERROR, Outcome.CANCELLED, Code.CANCELLED, message)
        changes["ending"] = _ending(holding(event), report, at)
    return changes


def reject(
    event: Event, edges: Edges, code: Code, message: str, at: datetime, alert: FailureAlert | None = None
) -> Changes:
    """QUEUED -> ERROR: it will never run (its queue time-out, what it needs is not there, its schedule was changed)."""
    if code in NOT_FIRED:
        edges, alert = Edges(), None
    return {
        "state": Move.REJECT.check(event.state, State.ERROR),
        **_final(event, edges, State.ERROR, code, message, at, alert),
    }


def apply(event: Event, changes: Changes) -> Event:
    """The event as it is once these changes are written."""
    fields: dict[str, object] = {name: value for name, value in changes.items() if name != "ending"}
    if "ending" in changes:
        fields["attempts"] = tuple(_ended(attempt, changes["ending"]) for attempt in event.attempts)
    return event.model_copy(update=fields)


def _ended(attempt: Attempt, ending: Ending) -> Attempt:
    if attempt.number != ending.number:
        return attempt
    return attempt.model_copy(
        update={
            "finished_at": ending.finished_at,
            "outcome": ending.outcome,
            "result_code": ending.result_code,
            "result_message": ending.result_message,
        }
    )


def _lost(
    move: Move,
    held: Holding,
    policy: RetryPolicy,
    outcome: Outcome,
    message: str,
    at: datetime,
    alert: FailureAlert | None,
) -> Changes:
    lost = held.lost + 1
    if policy.on_lost is OnLost.REQUEUE and lost <= policy.max_lost:
        return _give_back(move, held, outcome, message, lost, at)
    if policy.on_lost is OnLost.FAIL:
        message = f"{message}; it may have run and must not start twice"
    else:
        message = f"{message}; lost {lost} times, which is once more than it may be"
    report = Report(State.ERROR, outcome, Code.LOST, message)
    return {
        "state": move.check(held.state, State.ERROR),
        "claim_id": None,
        "lost": lost,
        "ending": _ending(held, report, at),
        **_final(held, held.edges, State.ERROR, Code.LOST, message, at, alert),
    }


def _give_back(move: Move, held: Holding, outcome: Outcome, message: str | None, lost: int, at: datetime) -> Changes:
    return {
        "state": move.check(held.state, State.QUEUED),
        "claim_id": None,
        "lost": lost,
        "lease_until": None,
        "ending": _ending(held, Report(State.ERROR, outcome, None, message), at),
    }


def _ending(held: Holding, report: Report, at: datetime) -> Ending:
    message = report.message[:ATTEMPT_MESSAGE_CHARS] if report.message else None
    return Ending(held.attempt, held.claim_id, at, report.outcome, report.code, message)


def _final(
    of: Event | Holding,
    edges: Edges,
    state: State,
    code: str | None,
    message: str | None,
    at: datetime,
    alert: FailureAlert | None = None,
) -> Changes:
    """What every final row says, and what it owes from this moment on: its follow-on, or the alert of its failure."""
    changes: Changes = {"finished_at": at, "result_code": code, "result_message": message, "lease_until": None}
    follower = edges.after(state)
    if follower is not None and of.depth <= MAX_DEPTH:
        event_id = of.id if isinstance(of, Event) else of.event_id
        owed = ids.derived(at, "follow-on", event_id, follower, shard=ids.shard_of(event_id))
        return {**changes, "owes": owed, "owes_event_type": follower, "follow_on": owed}
    if follower is not None:
        changes["follow_on_skipped"] = f"{follower} was not fired: the chain is {MAX_DEPTH} events deep"
    if state is State.ERROR and alert is not None:
        changes["alert"] = alert.event_id
        if alert.owed:
            changes.update({"owes": alert.event_id, "owes_event_type": alert.event_type})
    return changes
