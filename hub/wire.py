"""What agents and hub say to each other, as models. `docs/agent-protocol.json` is generated from this file.

The hub reads what agents send with these models; unknown fields are refused, so that a misspelt one is not lost. What
the hub sends may gain fields: agents ignore what they do not know.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hub.model.configuration import Runtime
from hub.model.sink import Command, CommandState

PROTOCOL = 1
"""Grows when an old agent could not follow."""

MAX_CHUNK_LINES = 10_000
MAX_CALL_BYTES = 6 * 1024 * 1024
"""The largest request an agent may send: a result of `max_payload` and some log."""

HOLD_HEADER = "nexomatic-hold"
PAUSE_HEADER = "nexomatic-pause"
LEASE_HEADER = "nexomatic-lease"
"""On a request for a piece of a bundle, which has no body: the lease of the attempt that runs it."""
"""On a 204, which has no body: seconds the next poll may be held, seconds to stay away before it."""


class _Said(BaseModel):
    """From an agent."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class _Told(BaseModel):
    """From the hub."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- POST /agent/enroll ----------------------------------------------------------------------------------------------


class Enrol(_Said):
    """Exchange an enrolment token for an identity."""

    token: Annotated[str, Field(max_length=200)]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9:._-]{0,62}$")]
    version: Annotated[str, Field(max_length=50)]
    platform: Annotated[str, Field(max_length=200)] = ""
    nonce: Annotated[str, Field(min_length=32, max_length=64)] | None = None
    """Random, known to this agent alone, and kept until it is answered: the same call again gets the same answer."""
    seal_to: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")] | None = None
    """Its X25519 public key as base64: secrets are then released to it sealed, and never otherwise."""


class Enrolled(_Told):
    """Who the agent is from now on. The credential is said once and goes into `Authorization: Bearer`."""

    sink: str
    sink_type: str
    credential: str
    rotate_after_seconds: float | None = None
    """Ask for another credential when this one is so old; null: never."""


# --- POST /agent/credential ------------------------------------------------------------------------------------------


class Rotate(_Said):
    """Exchange the credential of this call for another; it stays valid for a while, so that nothing is interrupted."""

    nonce: Annotated[str, Field(min_length=32, max_length=64)]
    """Random, known to this agent alone, and kept until it is answered: the same call again gets the same answer."""


class Rotated(_Told):
    """The credential from now on, said once."""

    credential: str
    valid_until: datetime
    """Of the one before."""
    rotate_after_seconds: float | None = None


# --- POST /agent/poll ------------------------------------------------------------------------------------------------


class Capabilities(_Said):
    """What this sink can run. Sent at the first poll of a process and when it changes."""

    platform: Annotated[str, Field(max_length=200)]
    runtimes: Annotated[tuple[Runtime, ...], Field(max_length=10)] = ()
    modules: Annotated[tuple[Annotated[str, Field(max_length=256)], ...], Field(max_length=500)] = ()
    bundles: Annotated[tuple[Annotated[str, Field(max_length=256)], ...], Field(max_length=500)] = ()
    """`fetch`: it fetches bundles. `signed-by:KEY`, once for each key that it trusts: it runs nothing else."""
    commands: Annotated[tuple[Annotated[str, Field(max_length=20)], ...], Field(max_length=20)] = ()
    """Those of drain, resume, restart and stop that it can carry out: it is given no others."""


class Heard(_Said):
    """The last command it was given, repeated in every poll: so the hub knows, whichever of its processes is asked."""

    id: Annotated[str, Field(max_length=64)]
    command: Annotated[str, Field(max_length=20)]
    state: Literal[CommandState.TAKEN, CommandState.DONE, CommandState.FAILED]


class Poll(_Said):
    """Ask for work. Also the heartbeat, also from a sink without a free slot (it may be told to cancel)."""

    slots: Annotated[int, Field(ge=0, le=1000)]
    """Free slots: at most so many tasks are answered."""
    running: Annotated[tuple[Annotated[str, Field(max_length=26)], ...], Field(max_length=1000)] = ()
    """Ids of the events it holds."""
    version: Annotated[str, Field(max_length=50)]
    instance: Annotated[str, Field(min_length=8, max_length=64)]
    """Drawn at each start of the agent's process."""
    replaces: Annotated[str, Field(max_length=64)] | None = None
    """The instance that ran here before, as kept on disk."""
    draining: bool = False
    leaving: bool | None = None
    """Its process is about to end, and nobody is to start it again. null: as `draining` says."""
    command: Heard | None = None
    capabilities: Capabilities | None = None


class StaticParameter(_Told):
    name: str
    value: Any


class SecretParameter(_Told):
    name: str
    secret: str


class Task(_Told):
    """One attempt, leased to the sink that polled."""

    event_id: str
    event_type: str
    attempt: int
    token: str
    """The lease. It goes into every write about this attempt, and is replaced by each answer that carries one."""
    lease_seconds: float
    """The lease runs out so long after the hub gave it, or last renewed it. Renew each third of it."""
    confirm: bool
    """Start only after a renewal was answered 200."""
    action: str
    runtime: Runtime
    module: str
    bundle: str | None
    bundle_digest: str | None
    """SHA-256 of the bundle, in hexadecimal: what is fetched, and what it is checked by."""
    bundle_size: int | None
    bundle_signature: str | None
    """The key's id, a colon, and its Ed25519 signature of `nexomatic-bundle sha256:DIGEST` as base64."""
    payload: Any
    parameters: tuple[StaticParameter | SecretParameter, ...]
    timeout_seconds: int
    warning_codes: tuple[int, ...]
    created_at: datetime
    source: str | None
    parent_id: str | None
    root_id: str
    traceparent: str | None
    correlation_id: str | None


class Cancel(_Told):
    """Stop this event's task: it has been cancelled, or is another's."""

    command: Literal["cancel"] = "cancel"
    event_id: str


class Do(_Told):
    """Something this sink is to do, once. Given again until a poll says that it was heard."""

    command: Command
    id: str


class Steering(_Told):
    """How often to come."""

    hold: float
    """Seconds the next poll may be held by the hub: wait at least so long for its answer."""
    pause: float
    """Seconds to stay away before the next poll."""


class Polled(_Told):
    """The answer with something in it; nothing to do is 204, with the steering in two headers."""

    tasks: tuple[Task, ...]
    commands: tuple[Cancel | Do, ...]
    settings: Steering


# --- POST /agent/events/{id}/secrets ---------------------------------------------------------------------------------


class Need(_Said):
    """Ask for the values of the secrets that the task's parameters name, before it is started."""

    token: Annotated[str, Field(max_length=8192)]


class ReleasedSecret(_Told):
    name: str
    """As the task's parameter names it."""
    version: str
    """Another value has another version."""
    value: Annotated[str | None, Field(repr=False)]
    """null: it is in `sealed`."""


class SealedSecrets(_Told):
    """A JSON object of all values by name, for the private key of the sink alone: see agent-protocol.md."""

    key: str
    """The ephemeral X25519 public key, base64."""
    ciphertext: str
    """AES-256-GCM, base64."""


class Released(_Told):
    """All of them; one that is not there is a refusal of the call. Values are kept in memory only."""

    secrets: tuple[ReleasedSecret, ...]
    sealed: SealedSecrets | None = None


# --- POST /agent/events/{id}/renew, logs, result ---------------------------------------------------------------------


class Renew(_Said):
    token: Annotated[str, Field(max_length=8192)]


class Line(_Said):
    """One line of the task's log. Its number is the chunk's `first` plus its place."""

    time: datetime
    stream: Literal["stdout", "stderr", "agent"]
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
    text: Annotated[str, Field(max_length=65_536)]


class Chunk(_Said):
    """Consecutive lines of one attempt. Sending one again changes nothing."""

    first: Annotated[int, Field(ge=1, lt=1_000_000_000)]
    """Number of the first line in its attempt, from 1."""
    lines: Annotated[tuple[Line, ...], Field(min_length=1, max_length=MAX_CHUNK_LINES)]


class Logs(_Said):
    token: Annotated[str, Field(max_length=8192)]
    chunk: Chunk
    renew: bool = False
    """Renew the lease in the same call."""


class Leased(_Told):
    """The answer to `renew` and `logs`: the lease goes on."""

    token: str
    lease_seconds: float
    watched: bool
    """Somebody is reading along: stream within a second for the next half minute."""


class ResultState(StrEnum):
    SUCCESS = "SUCCESS"
    WARNING = "WARNING"
    ERROR = "ERROR"
    RETURNED = "RETURNED"
    """Handed back after a restart: the attempt did not end, it was cut off."""


class Result(_Said):
    """How the attempt ended. Answered 200 however often it is repeated; 409 when the lease is another's."""

    token: Annotated[str, Field(max_length=8192)]
    state: ResultState
    code: Annotated[str, Field(max_length=100)] | None = None
    message: Annotated[str, Field(max_length=4096)] | None = None
    data: Any = None
    started: bool = True
    """Whether the task's process was started at all (asked of RETURNED)."""
    logs: Annotated[tuple[Chunk, ...], Field(max_length=4)] = ()
    """What is left of the log: it rides along and costs no write of its own, up to 48 KiB."""


class Recorded(_Told):
    """The result is stored; the agent may forget it."""

    recorded: Literal[True] = True


# --- refusals --------------------------------------------------------------------------------------------------------


class LeaseLost(StrEnum):
    """The `reason` in a 409 about a lease: in each case the sink stops the task and reports nothing more."""

    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed-out"
