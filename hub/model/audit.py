"""What the audit holds: one entry for each thing that somebody did, or was refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, JsonValue

PEOPLE: Final = "people"
"""The chain of what people do. Those of secret releases are called by their process."""


RESTORE: Final = "RESTORE"
"""The action of the entry that says that a backup was put back."""
RESTORED_FROM: Final = "backup"
"""In it, the resource that says of which."""


class Result(StrEnum):
    """How it ended."""

    DONE = "DONE"
    REFUSED = "REFUSED"
    """Not allowed, not valid, or not as things stood. Nothing was changed."""
    FAILED = "FAILED"
    """The hub or its storage failed. It may have taken effect."""
    UNKNOWN = "UNKNOWN"
    """The process ended before it could say. It may have taken effect."""


class Change(BaseModel):
    """What became of one resource: of what was replaced only the fields that differ."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    resource: str
    before: JsonValue = None
    after: JsonValue = None


class GivenSecret(BaseModel):
    """A secret that a sink was given: which, never what."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    version: str


class AuditEntry(BaseModel):
    """Who did what, when, from where, to what, and how it ended. Holds no secret."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    chain: str
    seq: int
    """Its place in the chain, from 1, without gaps."""
    id: str
    """Of the attempt: what was begun under it ends under it."""
    at: datetime
    actor: str | None = None
    """`first-admin`, `tokens/ci`, `users/ann`, `sinks/box`; None: nobody who proved who they are."""
    address: str | None = None
    """None: no front end is named that tells it."""
    action: str
    """Method and route: `PUT /api/actions/{name}`."""
    resource: str
    """`actions/cleanup`."""
    result: Result
    status: int | None = None
    reason: str | None = None
    changes: tuple[Change, ...] = ()
    secrets: tuple[GivenSecret, ...] = ()
    """What was released."""
    follows: int | None = None
    """Of a chain of releases, which is cut by the hour: in its first entry of an hour, the hour of the one before."""
    count: int | None = None
    """How many attempts this one entry stands for, if they were too many for an entry each."""
    counts: Mapping[str, int] | None = None
    """The same by status."""


class AnchoredHead(BaseModel):
    """How far a chain went when an anchor was written."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    chain: str
    seq: int
    hash: str
    at: datetime | None = None
    """Of a chain of releases: the time of that entry, which says where it lies."""


ANCHOR_FORMAT: Final = 1


class Anchor(BaseModel):
    """What the audit said of itself at one moment, written where it cannot be changed."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: int = ANCHOR_FORMAT
    at: datetime
    heads: tuple[AnchoredHead, ...]
