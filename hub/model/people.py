"""Who may do what: access tokens and enrolment tokens, as they are listed; never their values or hashes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from hub.model.configuration import Name


class Role(StrEnum):
    """What a person, or a script with a token, may do."""

    ADMIN = "ADMIN"
    """Everything."""
    VIEWER = "VIEWER"
    """Read; no secrets, no writes."""


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Token(_Stored):
    """An access token for scripts: what is known of it after it was shown once."""

    name: Name
    role: Role
    created_at: datetime
    expires_at: datetime | None = None


class Enrolment(_Stored):
    """An enrolment token: lets so many sinks of one SinkType in, until a time."""

    id: str
    sink_type: Name
    uses_left: Annotated[int, Field(ge=0)]
    created_at: datetime
    expires_at: datetime
