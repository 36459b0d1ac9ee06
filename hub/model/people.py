"""Who may do what: users, access tokens and enrolment tokens, as they are listed; never their values or hashes."""

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
    """The most that its bearer may; never more than its user may today."""
    created_at: datetime
    expires_at: datetime | None = None
    user: str | None = None
    """The id of the user to whom it belongs. None: made with a token that belonged to nobody."""


class Origin(StrEnum):
    """Who knows a user's password."""

    LOCAL = "LOCAL"
    """The hub, as a hash."""
    OIDC = "OIDC"
    """A provider of OpenID Connect."""


class EndedSession(_Stored):
    """A session that was ended before its time, remembered for as long as its cookie would be good.

    So is a code of `nexo login` that was used.
    """

    id: str
    until: datetime


class User(_Stored):
    """A person. `id` is theirs for good; of somebody whom a provider knows it is computed from issuer and subject."""

    id: str
    name: Name
    display_name: str | None = None
    """What the provider calls them. Never compared with anything."""
    origin: Origin = Origin.LOCAL
    issuer: str | None = None
    subject: str | None = None
    role: Role | None = None
    """Given here, by an admin."""
    mapped_role: Role | None = None
    """What the provider's claims came to at the last sign-in."""
    disabled: bool = False
    created_at: datetime
    has_password: bool = False
    must_change_password: bool = False
    """Somebody else knows it, too: an admin chose it."""
    invited_until: datetime | None = None
    generation: int = 0
    """Sessions of an older one are over: raised by whatever ends all of them at once."""
    ended: tuple[EndedSession, ...] = ()

    @property
    def may(self) -> Role | None:
        """What they may do: what an admin said, else what the provider's claims come to."""
        return self.role or self.mapped_role

    @property
    def is_admin(self) -> bool:
        """Whether they could sign in and be an Admin."""
        can_sign_in = self.origin is Origin.OIDC or self.has_password
        return can_sign_in and not self.disabled and self.may is Role.ADMIN


class Enrolment(_Stored):
    """An enrolment token: lets so many sinks of one SinkType in, until a time."""

    id: str
    sink_type: Name
    uses_left: Annotated[int, Field(ge=0)]
    created_at: datetime
    expires_at: datetime
    labels: dict[str, str] = {}
    """Its sinks carry them."""
    networks: tuple[str, ...] = ()
    """Only from these it is taken; empty: from anywhere."""
    replace: bool = False
    """A sink of the name that is there already is replaced: its credential ends."""
    ephemeral: bool = False
    """Its sinks are removed by themselves some minutes after they have gone."""
