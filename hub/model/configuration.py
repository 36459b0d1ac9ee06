"""What admins configure: sink types, actions, event types, sources. The same documents in API, file and storage.

These models say what shape a document has. What it means (does the path compile, does the name exist) is checked by
`hub/configure` when it is saved.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from hub.model.verification import Dedupe, NoVerification, Verification

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9:._-]{0,62}$")]
"""Unique in its kind without regard to case."""


class Runtime(StrEnum):
    """How a module is started."""

    PYTHON = "python"
    POWERSHELL = "powershell"
    SHELL = "shell"
    EXEC = "exec"


class SourceKind(StrEnum):
    """What fired an event."""

    WEBHOOK = "WEBHOOK"
    SCHEDULE = "SCHEDULE"
    EVENTGRID = "EVENTGRID"
    MANUAL = "MANUAL"
    FOLLOW_ON = "FOLLOW_ON"
    HUB = "HUB"
    """The hub itself: only the alerts it knows (`rules/alerts.py`)."""


class ParameterType(StrEnum):
    """Where a parameter's value comes from."""

    STATIC = "STATIC"
    """The value written here."""
    DATA = "DATA"
    """A JMESPath into the payload."""
    SECRET = "SECRET"  # noqa: S105 - the kind, not a secret
    """The name of a secret; its value is fetched by the sink that runs the task, and by nobody else."""


class OnLost(StrEnum):
    """What becomes of an event whose sink is lost while it runs."""

    REQUEUE = "requeue"
    FAIL = "fail"
    """For work that must never start twice."""


class CatchUp(StrEnum):
    """What becomes of ticks that were missed because no hub ran. Those in a pause of the schedule are never fired."""

    NONE = "none"
    LAST = "last"
    """The newest of them is fired."""
    ALL = "all"


class Overlap(StrEnum):
    """What becomes of a tick at whose time the event of an earlier one is not final."""

    ALLOW = "allow"
    SKIP = "skip"
    """Its event ends as OVERLAPPED without having run."""
    QUEUE = "queue"
    """It waits until that one is final. Several run one after the other, in order."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Parameter(_Document):
    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]
    type: ParameterType
    value: Any
    """STATIC: any JSON value. DATA: a JMESPath. SECRET: the secret's name."""


class Pause(_Document):
    """Nothing new is started until it is resumed, or until a time."""

    note: Annotated[str, Field(max_length=500)] = ""
    until: datetime | None = None


class RetryPolicy(_Document):
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 1
    backoff_seconds: Annotated[float, Field(ge=0, le=86_400)] = 10
    factor: Annotated[float, Field(ge=1, le=100)] = 2
    max_backoff_seconds: Annotated[float, Field(ge=0, le=604_800)] = 3600
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.2
    on_codes: tuple[str, ...] | None = None
    """Only these result codes are tried again; null: every ERROR."""
    on_lost: OnLost = OnLost.REQUEUE
    max_lost: Annotated[int, Field(ge=0, le=100)] = 3


class SinkType(_Document):
    name: Name
    description: Annotated[str, Field(max_length=500)] = ""
    max_queue_depth: Annotated[int, Field(ge=1)] | None = None
    pause: Pause | None = None


class Action(_Document):
    name: Name
    runtime: Runtime
    module: Annotated[str, Field(min_length=1, max_length=256)]
    bundle: str | None = None
    parameters: tuple[Parameter, ...] = ()
    on_success: Name | None = None
    on_warning: Name | None = None
    on_failure: Name | None = None
    allow_cycle: bool = False
    """A chain that leads back to this action is meant; else a cycle is refused."""
    timeout_seconds: Annotated[int, Field(ge=1, le=604_800)] = 300
    warning_codes: tuple[Annotated[int, Field(ge=1, le=255)], ...] = ()


class EventType(_Document):
    name: Name
    sink_type: Name
    sink: Name | None = None
    sources: tuple[SourceKind, ...] = tuple(SourceKind)
    action: Name
    parameters: tuple[Parameter, ...] = ()
    filter: str | None = None
    payload: str | None = None
    timeout_seconds: Annotated[int, Field(ge=1, le=604_800)] | None = None
    redact: tuple[str, ...] = ()
    pause: Pause | None = None
    unroutable_after_seconds: Annotated[int, Field(ge=1)] = 900
    lease_seconds: Annotated[int, Field(ge=10, le=3600)] | None = None
    retry: RetryPolicy = RetryPolicy()
    queue_timeout_seconds: Annotated[int, Field(ge=1)] | None = None
    max_running: Annotated[int, Field(ge=1, le=1000)] | None = None
    rate_per_minute: Annotated[int, Field(ge=1)] | None = None
    enabled: bool = True


class SourceRate(_Document):
    """How often a source may fire: so many requests in so many seconds, evenly."""

    limit: Annotated[int, Field(ge=1, le=1_000_000)]
    per_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60
    burst: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """So many may come at once after a quiet time; null: as many as `limit`."""


class WebhookSource(_Document):
    """A URL that callers post to. Its key is made by the hub and is no part of this document."""

    name: Name
    kind: Literal[SourceKind.WEBHOOK]
    event_types: Annotated[tuple[Name, ...], Field(min_length=1, max_length=50)]
    verify: Verification = NoVerification()
    dedupe: Dedupe | None = None
    rate: SourceRate | None = None
    methods: Annotated[tuple[Literal["POST", "PUT"], ...], Field(min_length=1)] = ("POST",)
    networks: Annotated[tuple[str, ...], Field(max_length=100)] = ()
    """The only networks whose callers are heard, as `192.0.2.0/24`; empty: all."""
    max_body: Annotated[int, Field(ge=1)] | None = None
    pause: Pause | None = None
    enabled: bool = True


class ScheduleSource(_Document):
    """A clock: it fires at the times of a cron expression in a time zone, or once."""

    name: Name
    kind: Literal[SourceKind.SCHEDULE]
    event_types: Annotated[tuple[Name, ...], Field(min_length=1, max_length=50)]
    cron: Annotated[str, Field(max_length=200)] | None = None
    """Five fields; the grammar is in `rules/cron.py`."""
    at: datetime | None = None
    """Once, at this time, instead of a cron expression."""
    timezone: Annotated[str, Field(max_length=100)] = "UTC"
    """An IANA name: the wall clock that `cron` is read on."""
    payload: JsonValue = Field(default_factory=dict)
    catch_up: CatchUp = CatchUp.LAST
    catch_up_window_seconds: Annotated[int, Field(ge=60, le=604_800)] = 3600
    """Missed ticks that are later than this are never fired."""
    overlap: Overlap = Overlap.ALLOW
    jitter_seconds: Annotated[int, Field(ge=0, le=3600)] = 0
    """All its ticks are late by one and the same part of this, so that a hundred schedules at midnight spread out."""
    pause: Pause | None = None
    enabled: bool = True


class EventGridSource(_Document):
    """Events that Azure Event Grid delivers to this hub: those that pass the filters fire."""

    name: Name
    kind: Literal[SourceKind.EVENTGRID]
    event_types: Annotated[tuple[Name, ...], Field(min_length=1, max_length=50)]
    types: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=512)], ...], Field(max_length=100)] = ()
    """The types of events that are heard, without regard to case; empty: all."""
    subject_begins_with: Annotated[str, Field(max_length=1024)] | None = None
    """Without regard to case, as `subject_ends_with`; null: any."""
    subject_ends_with: Annotated[str, Field(max_length=1024)] | None = None
    filter: str | None = None
    """A JMESPath over `{body, headers, query}`, where the body is the event; false or null: it is not heard."""
    pause: Pause | None = None
    enabled: bool = True


Source = Annotated[WebhookSource | ScheduleSource | EventGridSource, Field(discriminator="kind")]
"""Every kind of source."""


class Kind(StrEnum):
    """The kinds of configuration, as they are named in addresses and files."""

    SINK_TYPE = "sink-types"
    ACTION = "actions"
    EVENT_TYPE = "event-types"
    SOURCE = "sources"
