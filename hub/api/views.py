"""What the API answers and takes, as models; the OpenAPI document is made from them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, RootModel

from hub.api.moments import Moment
from hub.model.configuration import (
    Action,
    EventGridSource,
    EventType,
    Runtime,
    ScheduleSource,
    SinkType,
    Source,
    SourceKind,
    WebhookSource,
)
from hub.model.event import Event, LogLine, Outcome, State
from hub.model.sink import Command, CommandState, SinkState
from hub.storage.codec import text_of_time
from hub.storage.event_summaries import Summary

Time = Annotated[datetime, PlainSerializer(text_of_time, when_used="json")]
"""`2026-11-23T22:46:00.123Z`."""


class View(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True)


class Asked(BaseModel):
    """A request's body. A number is a number and no text; what is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


# --- events ----------------------------------------------------------------------------------------------------------


class Fire(Asked):
    """Fire an event by hand. The EventType's filter and payload expression are for sources; this payload is it."""

    event_type: Annotated[str, Field(max_length=63)]
    payload: Any = Field(default_factory=dict)


class EventLine(View):
    """An event in a list."""

    id: str
    event_type: str
    source_kind: SourceKind
    source: str | None
    state: State
    result_code: str | None
    result_message: str | None
    sink: str | None
    attempt: int
    parent_id: str | None
    root_id: str
    depth: int
    correlation_id: str | None
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    lease_until: Time | None
    not_before: Time | None

    @classmethod
    def of(cls, summary: Summary) -> EventLine:
        return cls(**{name: getattr(summary, name) for name in cls.model_fields})


class EventList(View):
    """Events, the newest first. With a cursor there may be more that are older than `searched_to`."""

    items: list[EventLine]
    cursor: str | None
    searched_to: Time | None


class RunView(View):
    """What an attempt ran."""

    action: str
    runtime: Runtime
    module: str
    bundle: str | None
    bundle_digest: str | None
    bundle_size: int | None
    timeout_seconds: int
    lease_seconds: int
    configuration: str
    parameters: dict[str, str]
    warning_codes: list[int]


class AttemptView(View):
    number: int
    sink: str
    started_at: Time
    finished_at: Time | None
    outcome: Outcome | None
    result_code: str | None
    result_message: str | None
    run: RunView


class EventView(View):
    """Everything about one event."""

    id: str
    event_type: str
    sink_type: str
    source_kind: SourceKind
    source: str | None
    state: State
    result_code: str | None
    result_message: str | None
    result_data: Any
    payload: Any
    sink: str | None
    attempt: int
    failures: int
    lost: int
    attempts: list[AttemptView]
    parent_id: str | None
    root_id: str
    depth: int
    follow_on: str | None
    follow_on_skipped: str | None
    alert: str | None
    """The event that tells somebody of its failure: one for all of its type in that minute."""
    rerun_of: str | None
    """The event that was run again as this one."""
    correlation_id: str | None
    traceparent: str | None
    receipt_id: str | None
    """The receipt of the request that fired it."""
    replay_of: str | None
    """The receipt that an admin replayed."""
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    lease_until: Time | None
    not_before: Time | None

    @classmethod
    def of(cls, event: Event, state: State, payload: Any, result_data: Any) -> EventView:
        told = {"state": state, "payload": payload, "result_data": result_data}
        plain = {name: getattr(event, name) for name in cls.model_fields if name not in (*told, "attempts")}
        attempts = [AttemptView.model_validate(each.model_dump(exclude={"claim_id"})) for each in event.attempts]
        return cls(**plain, **told, attempts=attempts)


class LogLineView(View):
    seq: int
    time: Time
    stream: str
    level: str
    text: str

    @classmethod
    def of(cls, line: LogLine) -> LogLineView:
        return cls(**{name: getattr(line, name) for name in cls.model_fields})


class LogsView(View):
    """Lines of an event's log. Complete: the event has ended and these are the last."""

    lines: list[LogLineView]
    complete: bool


# --- configuration ---------------------------------------------------------------------------------------------------


class SourceDocument(RootModel[Source]):
    """A source as it is written."""


class WebhookSourceView(WebhookSource):
    """A webhook as it is read. Viewers read no address: who knows it may fire."""

    url: str | None
    old_url_until: Time | None
    """Until then the address before the last rotation works too."""


SourceView = Annotated[WebhookSourceView | ScheduleSource | EventGridSource, Field(discriminator="kind")]
"""A source as it is read."""


class SinkTypeList(View):
    items: list[SinkType]
    cursor: str | None


class ActionList(View):
    items: list[Action]
    cursor: str | None


class EventTypeList(View):
    items: list[EventType]
    cursor: str | None


class SourceList(View):
    items: list[SourceView]
    cursor: str | None


class ConfigurationView(View):
    """All documents, as a configuration file holds them. Webhook keys are no part of it."""

    sink_types: list[SinkType]
    actions: list[Action]
    event_types: list[EventType]
    sources: list[Source]


class AskPause(Asked):
    """Why, and until when: without an end, until it is resumed."""

    note: Annotated[str, Field(max_length=500)] = ""
    until: Annotated[Moment | None, Field(strict=False)] = None


class Rotate(Asked):
    """How long the old key stays valid; 0 ends every older key at once."""

    overlap_hours: Annotated[int, Field(ge=0, le=168)] = 24


# --- sinks ------------------------------------------------------------------------------------------------------------


class AskCommand(Asked):
    """What the sink is to do."""

    command: Annotated[Command, Field(strict=False)]


class CommandView(View):
    """A command to a sink, and how far it has come."""

    id: str
    command: Command
    state: CommandState
    by: str | None
    at: Time
    expires_at: Time | None
    """It is not given to the sink from then on; null: it stands until the sink comes."""


class SinkView(View):
    """A sink, and what it said of itself when it last came."""

    name: str
    sink_type: str
    labels: dict[str, str]
    enrolled_at: Time
    credential_at: Time | None
    """When its credential was rotated last."""
    ephemeral: bool
    """It is removed by itself ten minutes after it has gone."""
    removal_suggested: bool
    """It has not been seen for 30 days. It stays until somebody removes it."""
    state: SinkState
    drained: bool
    """It is given nothing until it is resumed."""
    command: CommandView | None
    """The last that it was given."""
    commands: list[str]
    """Those that its agent knows."""
    seen_at: Time | None
    version: str | None
    platform: str | None
    slots: int | None
    """Free slots."""
    running: int | None
    runtimes: list[str]
    modules: list[str]
    bundles: list[str]
    seal_to: str | None
    """Its public key, to which secrets are sealed; null: it gave none when it was enrolled."""


class SinkList(View):
    items: list[SinkView]
    cursor: str | None


class Alive(View):
    """The process answers."""

    status: str


class HealthReason(View):
    """Why the hub does not work as it should."""

    code: str
    """NOT_STARTED, STORAGE, KEY_VAULT, CLOCK or TIMER."""
    words: str


class Health(View):
    """`up`, or `degraded` with the reasons: it works, and somebody should look. What is not ready answers 503."""

    status: str
    reasons: list[HealthReason]
    version: str | None
    """The hub's release; null for who is not signed in."""
    heartbeat_age_seconds: float | None
    """Since when the timer's last step has been over; null before the first, and for who is not signed in."""


class Reconciled(View):
    """One step of reconcile."""

    touched: int
    """How many events it paid, ended, or put a fresh hint for."""


class RefusedField(View):
    """A field that was refused, and what is allowed."""

    field: str
    message: str


class Problem(BaseModel):
    """Every error (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    errors: list[RefusedField] = []
    """Each field that was refused."""
