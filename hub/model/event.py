"""The event: one unit of work, from the moment a source fires it until it is final, and its attempts."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from hub.model.configuration import Runtime, SourceKind


class State(StrEnum):
    """Where an event stands. SUCCESS, WARNING and ERROR are final."""

    QUEUED = "QUEUED"
    """Waiting for a sink, or for its time to come."""
    RUNNING = "RUNNING"
    """A sink holds a lease on it."""
    SUCCESS = "SUCCESS"
    """It ran and did what it should."""
    WARNING = "WARNING"
    """It ran, and says that somebody should look."""
    ERROR = "ERROR"
    """It failed, or it never ran and never will; `result_code` says which."""

    @property
    def final(self) -> bool:
        return self in (State.SUCCESS, State.WARNING, State.ERROR)


class Outcome(StrEnum):
    """How one attempt ended."""

    SUCCESS = "SUCCESS"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CANCELLED = "CANCELLED"
    """An admin cancelled the event while this attempt ran."""
    TIMED_OUT = "TIMED_OUT"
    """The hub ended it, past its run time-out and grace."""
    LOST = "LOST"
    """Its lease ran out and nobody renewed it."""
    RETURNED = "RETURNED"
    """The sink handed it back after a restart, having started it."""
    NOT_STARTED = "NOT_STARTED"
    """The sink handed it back without having started it, or never confirmed that it would."""


class Code(StrEnum):
    """The `result_code`s that the hub itself gives. A module's own codes are free text beside these."""

    CANCELLED = "CANCELLED"
    LOST = "LOST"
    QUEUE_TIMEOUT = "QUEUE_TIMEOUT"
    RUN_TIMEOUT = "RUN_TIMEOUT"
    CONFIGURATION_MISSING = "CONFIGURATION_MISSING"
    PARAMETER_FAILED = "PARAMETER_FAILED"
    SECRET_UNAVAILABLE = "SECRET_UNAVAILABLE"  # noqa: S105 - a code, not a secret
    PAYLOAD_MISSING = "PAYLOAD_MISSING"
    CHAIN_TOO_DEEP = "CHAIN_TOO_DEEP"
    SCHEDULE_CHANGED = "SCHEDULE_CHANGED"
    """Its schedule was changed, disabled or deleted before it ran."""
    SCHEDULE_PAUSED = "SCHEDULE_PAUSED"
    """Its schedule was paused at its time."""
    OVERLAPPED = "OVERLAPPED"
    """The event of an earlier tick of its schedule had not ended at its time."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Content(_Frozen):
    """JSON text that is either here or, when it is too big for a row, in a blob."""

    size: int
    """Bytes of UTF-8."""
    inline: bytes | None = None
    blob: str | None = None
    """The blob's name, when it is not inline."""


class Run(_Frozen):
    """What an attempt runs, as resolved from the configuration of the moment it was claimed."""

    action: str
    runtime: Runtime
    module: str
    bundle: str | None = None
    bundle_digest: str | None = None
    """SHA-256 of the bundle; written only with one, as its size, so that other rows are as the release before reads."""
    bundle_size: int | None = None
    timeout_seconds: int
    lease_seconds: int
    configuration: str
    """The version of the configuration it was resolved from."""
    parameters: dict[str, str] = {}
    """Where each parameter came from: `STATIC`, `DATA path`, `SECRET name`. Never a value."""
    warning_codes: tuple[int, ...] = ()


class Recorded(_Frozen):
    """What an attempt ran, whole, so that another event may run the same whatever the configuration says by then."""

    run: Run
    static: dict[str, Any] = {}
    """The values of its STATIC parameters."""
    on_success: str | None = None
    on_warning: str | None = None
    on_failure: str | None = None


class Attempt(_Frozen):
    """One try at running an event, begun by a claim."""

    number: int
    claim_id: str
    sink: str
    started_at: datetime
    run: Run
    finished_at: datetime | None = None
    outcome: Outcome | None = None
    result_code: str | None = None
    result_message: str | None = None


class Event(_Frozen):
    """One unit of work. Changed only by the moves of `rules/lifecycle.py`."""

    id: str
    event_type: str
    sink_type: str
    queue: str
    """The queue its message lies on: its pool's, or the overflow beside it."""
    source_kind: SourceKind
    source: str | None = None
    state: State = State.QUEUED
    payload: Content
    created_at: datetime
    not_before: datetime | None = None
    """It is not run before this: a retry's back-off, or a time its source asked for."""

    attempt: int = 0
    """How many claims there were."""
    failures: int = 0
    """How many attempts ended in a reported ERROR: what `retry.max_attempts` counts."""
    lost: int = 0
    """How many attempts were lost with their sink: what `retry.max_lost` counts."""
    sink: str | None = None
    claim_id: str | None = None
    """Names the claim that holds it while RUNNING: every write of the sink is fenced by it."""
    lease_until: datetime | None = None
    run_until: datetime | None = None
    """Past this the hub ends the attempt: claim + run time-out + grace."""
    confirmed: bool = False
    """A renewal has reached the hub, so the work may have started (asked only of `on_lost: fail`)."""
    confirm: bool = False
    """The attempt may start only once confirmed."""
    attempts: tuple[Attempt, ...] = ()
    """Oldest first; the newest 50 are kept."""
    on_success: str | None = None
    on_warning: str | None = None
    on_failure: str | None = None
    """The EventTypes that follow, as the attempt's action named them at its claim."""
    static: bytes | None = None
    """The STATIC parameters of its newest attempt, as JSON text; None: there are none, or they are too large."""

    result_code: str | None = None
    result_message: str | None = None
    result_data: Content | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    owes: str | None = None
    """The id of a follow-on that must be created before this event is settled."""
    owes_event_type: str | None = None
    follow_on: str | None = None
    """The id of its follow-on, once owed."""
    follow_on_skipped: str | None = None
    """Why an edge of its action led nowhere."""
    alert: str | None = None
    """The id of the event that tells somebody of its failure: one for all of its type in that minute."""
    silent: bool = False
    """It is an alert of the hub, or was led to by one: nobody is alerted of what becomes of it."""

    parent_id: str | None = None
    root_id: str
    depth: int = 0
    traceparent: str | None = None
    """W3C trace context of the request that fired it."""
    correlation_id: str | None = None
    """The caller's own id for it, as the caller sent it."""
    receipt_id: str | None = None
    """The receipt of the request that fired it: the id of the event that carries it, perhaps its own."""
    receipt: bytes | None = None
    """The receipt, as JSON text, on the event that carries it."""
    receipt_of: str | None = None
    """The source whose receipt it carries, in small letters: what a list of receipts asks storage for."""
    receipt_body: Content | None = None
    """The request's body, on the event that carries the receipt, unless it is the payload."""
    replay_of: str | None = None
    """The receipt that an admin replayed."""
    unannounced: bool = False
    """It is final, and the topic that listens has not been told so yet."""
    schedule: str | None = None
    """The definition of the schedule that made it: it runs only while that stands (`model/standing.py`)."""
    previous: str | None = None
    """The event of this type that its schedule fired before."""
    rerun_of: str | None = None
    """The event that an admin had run again as this one."""
    recorded: bytes | None = None
    """What it runs instead of what is configured, as a `Recorded` in JSON: it is a rerun as it was."""
    reruns: str | None = None
    """Which reruns of it were asked for under a key, so that asking again makes no other (`rules/rerunning.py`)."""
    hints: int = 0
    """How often reconcile put a fresh message for it."""
    watched_until: datetime | None = None
    """Somebody reads its logs: the sink streams them until then."""

    @property
    def settled(self) -> bool:
        """Final, and owes nothing to anybody."""
        return self.state.final and self.owes is None and not self.unannounced


class LogLine(_Frozen):
    """One line that a task wrote."""

    seq: int
    """Grows along the event's whole life: attempt × 10⁹ + the line's number in its attempt."""
    time: datetime
    stream: str
    """`stdout`, `stderr`, or `agent` for what the agent itself says of the task."""
    level: str
    text: str
