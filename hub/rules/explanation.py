"""What is said of an event to who asks why it still waits: codes, what is known of it, what is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from hub.model.configuration import EventType
from hub.model.event import Event
from hub.model.sink import Presence, Sink
from hub.model.snapshot import Snapshot
from hub.rules.resolving import Plan, Unresolvable


class Reason(StrEnum):
    """Why an event is where it is. The names are part of the API."""

    SCHEDULE_CHANGED = "SCHEDULE_CHANGED"
    SCHEDULE_PAUSED = "SCHEDULE_PAUSED"
    CHAIN_TOO_DEEP = "CHAIN_TOO_DEEP"
    QUEUE_TIMEOUT = "QUEUE_TIMEOUT"
    LOST = "LOST"
    BACKING_OFF = "BACKING_OFF"
    NOT_BEFORE = "NOT_BEFORE"
    EVENT_TYPE_DISABLED = "EVENT_TYPE_DISABLED"
    EVENT_TYPE_PAUSED = "EVENT_TYPE_PAUSED"
    SINK_TYPE_PAUSED = "SINK_TYPE_PAUSED"
    OVERLAPPED = "OVERLAPPED"
    PREVIOUS_RUNNING = "PREVIOUS_RUNNING"
    CONFIGURATION_MISSING = "CONFIGURATION_MISSING"
    MESSAGE_MISSING = "MESSAGE_MISSING"
    QUEUE_ABANDONED = "QUEUE_ABANDONED"
    PAYLOAD_MISSING = "PAYLOAD_MISSING"
    PARAMETER_FAILED = "PARAMETER_FAILED"
    NO_SINK_ENROLLED = "NO_SINK_ENROLLED"
    PINNED_SINK_GONE = "PINNED_SINK_GONE"
    NO_SINK_ONLINE = "NO_SINK_ONLINE"
    SINKS_DRAINING = "SINKS_DRAINING"
    SINKS_BUSY = "SINKS_BUSY"
    HUB_CLOCK_WRONG = "HUB_CLOCK_WRONG"
    HUB_CROWDED = "HUB_CROWDED"
    MAX_RUNNING = "MAX_RUNNING"
    RATE = "RATE"
    QUEUE_AHEAD = "QUEUE_AHEAD"
    RUNTIME_MISSING = "RUNTIME_MISSING"
    MODULE_NOT_TAKEN = "MODULE_NOT_TAKEN"
    MODULE_NOT_INSTALLED = "MODULE_NOT_INSTALLED"
    SECRET_MISSING = "SECRET_MISSING"  # noqa: S105 - a code, not a secret
    TAKEOVER = "TAKEOVER"
    MOVING = "MOVING"
    ABOUT_TO_RUN = "ABOUT_TO_RUN"
    RUNNING = "RUNNING"
    ENDED = "ENDED"


class Effect(StrEnum):
    """What a condition does to an event."""

    WAITS = "WAITS"
    """It is not given to a sink while this is so."""
    ENDS = "ENDS"
    """It will not run: it ends in ERROR when it is next looked at."""
    FAILS = "FAILS"
    """It is given to a sink, and fails there."""
    MAY_FAIL = "MAY_FAIL"
    """It is given to a sink, and may fail there."""
    NONE = "NONE"
    """It goes its way."""


MEANINGS: Final[Mapping[Reason, tuple[Effect, str]]] = {
    Reason.SCHEDULE_CHANGED: (Effect.ENDS, "its schedule was changed, disabled or deleted since it was made"),
    Reason.SCHEDULE_PAUSED: (Effect.ENDS, "its schedule was paused at its time"),
    Reason.CHAIN_TOO_DEEP: (Effect.ENDS, "the chain of follow-ons that led to it has led on as often as any may"),
    Reason.QUEUE_TIMEOUT: (Effect.ENDS, "it has waited longer than `queue_timeout_seconds`"),
    Reason.LOST: (
        Effect.ENDS,
        "its sink was lost, and `retry.on_lost` or `retry.max_lost` does not let it start again",
    ),
    Reason.BACKING_OFF: (Effect.WAITS, "an attempt failed, and the next one waits for its back-off"),
    Reason.NOT_BEFORE: (Effect.WAITS, "its source asked for a later time"),
    Reason.EVENT_TYPE_DISABLED: (Effect.WAITS, "its event type is disabled"),
    Reason.EVENT_TYPE_PAUSED: (Effect.WAITS, "its event type is paused"),
    Reason.SINK_TYPE_PAUSED: (Effect.WAITS, "its sink type is paused"),
    Reason.OVERLAPPED: (Effect.ENDS, "an earlier event of its schedule, whose `overlap` is skip, had not ended"),
    Reason.PREVIOUS_RUNNING: (
        Effect.WAITS,
        "an earlier event of its schedule, whose `overlap` is queue, has not ended",
    ),
    Reason.CONFIGURATION_MISSING: (Effect.ENDS, "its event type, action or bundle is gone"),
    Reason.MESSAGE_MISSING: (Effect.WAITS, "its queue was emptied, and a new message is not due yet"),
    Reason.QUEUE_ABANDONED: (
        Effect.WAITS,
        "its event type sends its events elsewhere now, and no sink looks where its message lies",
    ),
    Reason.PAYLOAD_MISSING: (Effect.ENDS, "its payload is not in storage any more"),
    Reason.PARAMETER_FAILED: (Effect.ENDS, "a DATA parameter cannot be computed from its payload"),
    Reason.NO_SINK_ENROLLED: (Effect.WAITS, "no sink of its type is enrolled"),
    Reason.PINNED_SINK_GONE: (Effect.WAITS, "the one sink that its event type names is not enrolled"),
    Reason.NO_SINK_ONLINE: (Effect.WAITS, "none of its sinks is online"),
    Reason.SINKS_DRAINING: (Effect.WAITS, "those of its sinks that are there drain, and take nothing new"),
    Reason.SINKS_BUSY: (Effect.WAITS, "all slots of its sinks are in use"),
    Reason.HUB_CLOCK_WRONG: (Effect.WAITS, "the hub's clock is too far from storage's, so it hands out nothing"),
    Reason.HUB_CROWDED: (Effect.WAITS, "the hub holds as many requests as it may, and none of them is of its sinks"),
    Reason.MAX_RUNNING: (Effect.WAITS, "as many attempts of its event type run as `max_running` allows"),
    Reason.RATE: (Effect.WAITS, "as many attempts of its event type have started as `rate_per_minute` allows"),
    Reason.QUEUE_AHEAD: (Effect.WAITS, "more events wait in the same queue than slots are free"),
    Reason.RUNTIME_MISSING: (Effect.FAILS, "no sink that is online has the runtime of its action"),
    Reason.MODULE_NOT_TAKEN: (
        Effect.FAILS,
        "no sink that is online fetches the bundle of its action, or trusts who signed it",
    ),
    Reason.MODULE_NOT_INSTALLED: (Effect.FAILS, "no sink that is online lists the module of its action"),
    Reason.SECRET_MISSING: (Effect.FAILS, "a secret that its parameters name is not there"),
    Reason.TAKEOVER: (Effect.NONE, "its sink was lost, and another takes over"),
    Reason.MOVING: (Effect.NONE, "its event type sends its events elsewhere now, and its message follows"),
    Reason.ABOUT_TO_RUN: (Effect.NONE, "nothing: the next free sink is given it"),
    Reason.RUNNING: (Effect.NONE, "nothing: a sink runs it"),
    Reason.ENDED: (Effect.NONE, "nothing: it has ended"),
}
"""What each does, and in words, for the documentation."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is so, with its numbers, and what would change it."""

    effect: Effect
    detail: str
    change: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    since: datetime | None = None
    """None: it is not known."""
    until: datetime | None = None
    """When it ends by itself, as far as is known."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that was checked; `found` is None where it is not so."""

    code: Reason
    found: Found | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer: what is first in the way, and all that was checked, in order."""

    code: Reason
    found: Found
    conditions: tuple[Condition, ...] = ()
    gives_up_at: datetime | None = None
    """It ends with QUEUE_TIMEOUT if it has not started by then."""


@dataclass(frozen=True, slots=True)
class Place:
    """A queue, by who looks into it."""

    name: str
    """`sinks of the type PYTHON:BASE`, `the sink box`."""
    sinks: tuple[Sink, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an event and of what it waits for, at one moment."""

    event: Event
    now: datetime
    margin: timedelta
    """How much later than written a lease counts as expired."""
    snapshot: Snapshot
    presences: Mapping[str, Presence] = field(default_factory=dict)
    """By name as enrolled: of its sinks, of those where its message lies, of the one that holds it."""
    plan: Plan | None = None
    """What it would run; None: `unresolvable` says why nothing."""
    unresolvable: Unresolvable | None = None
    """Why it will not run, found as a claim finds it."""
    schedule: Unresolvable | None = None
    """Why its schedule does not want it to run any more."""
    behind: str | None = None
    """The event of its schedule that was fired before it: that one, or one before, has to end first."""
    elsewhere: Place | None = None
    """Where its message lies, if that is not where today's configuration sends it, or that sends it nowhere."""
    clock_is_right: bool = True
    crowd: tuple[int, int] | None = None
    """How many requests this process holds, of how many it may; None: fewer, or one of them waits for this event."""
    running: int | None = None
    """How many of the slots of `max_running` are in use; None: not limited."""
    starts_in: float | None = None
    """Seconds until `rate_per_minute` lets one start; None: not limited."""
    depth: int = 1
    """Messages in its queue and the overflow beside it, its own and hidden ones included; with those of its pool, where
    it is pinned to one sink, whose slots they share."""
    look_seconds: float = 15
    """After so long a message is looked at again that met something in its way."""

    @property
    def event_type(self) -> EventType | None:
        return self.snapshot.event_type(self.event.event_type)

    def there(self, sinks: Sequence[Sink]) -> list[Presence]:
        """What those of them that ever came said of themselves."""
        return [self.presences[each.name] for each in sinks if each.name in self.presences]
