"""Sinks: the agents that run tasks, and what is known of each."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class SinkState(StrEnum):
    ONLINE = "ONLINE"
    OFFLINE = "OFFLINE"
    """Not seen for three times as long as it was told to stay away."""
    DRAINING = "DRAINING"
    """Takes nothing new, ends what it runs."""
    RESTARTING = "RESTARTING"
    UPDATING = "UPDATING"


class Command(StrEnum):
    """What a sink can be told to do."""

    DRAIN = "drain"
    """Take nothing new, until it is resumed."""
    RESUME = "resume"
    RESTART = "restart"
    """End what runs, and let the service manager start the agent again."""
    STOP = "stop"
    """End what runs, and stay away until somebody starts the agent."""


class CommandState(StrEnum):
    """How far a command has come."""

    WAITING = "WAITING"
    """The sink has not been heard to have it."""
    TAKEN = "TAKEN"
    DONE = "DONE"
    FAILED = "FAILED"
    """The agent could not keep it on its disk, and has done nothing."""
    EXPIRED = "EXPIRED"
    """It was not taken in time, or the process that it was meant for is gone: it will not be."""


class Order(BaseModel):
    """The last command that a sink was given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    command: Command
    by: str | None
    at: datetime
    expires_at: datetime | None = None
    """Not given to the sink from then on; None: it stands until the sink comes."""
    instance: str | None = None
    """The one process that it is meant for; None: whichever comes."""


class Heard(BaseModel):
    """The last command that a sink says it was given, and how far it is with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    command: str
    state: CommandState


class Sink(BaseModel):
    """An enrolled sink: who it is. Its credential's hash lives in storage only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    sink_type: str
    labels: dict[str, str] = {}
    enrolled_at: datetime
    seal_to: str | None = None
    """Its public key, if it has one (X25519, base64): secrets go to it sealed."""
    ephemeral: bool = False
    """It is removed by itself some minutes after it has gone."""
    credential_at: datetime | None = None
    """When its credential was rotated last; None: it has the one it was enrolled with."""
    drained: bool = False
    """It is given nothing until it is resumed."""
    order: Order | None = None


class Presence(BaseModel):
    """What a sink said of itself when it last polled."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sink: str
    instance: str
    version: str
    slots: int
    """Free slots."""
    running: int
    seen_at: datetime
    offline_after_seconds: float
    draining: bool = False
    leaving: bool | None = None
    """Whether its process was about to end for good; None: it did not say, as agents that know no commands."""
    heard: Heard | None = None
    commands: tuple[str, ...] = ()
    """Those that it knows."""
    platform: str | None = None
    runtimes: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    bundles: tuple[str, ...] = ()

    @property
    def goes(self) -> bool:
        """Whether it has said that it goes, so that nobody need wonder where it is."""
        return self.draining if self.leaving is None else self.leaving

    def is_at(self, command: Command, state: CommandState) -> bool:
        """Whether this command is the last that it was given, and it is so far with it."""
        return self.heard is not None and self.heard.command == command and self.heard.state is state
