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
    platform: str | None = None
    runtimes: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    bundles: tuple[str, ...] = ()
