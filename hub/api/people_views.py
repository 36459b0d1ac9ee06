"""What the API answers and takes about people: users, sessions, access tokens and enrolments."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from hub.api.moments import Moment
from hub.api.views import Asked, Time, View
from hub.model.configuration import Name
from hub.model.people import Origin, Role, Token, User
from hub.people.enrolment import MOST_USES
from hub.people.identity import Person, Via

Given = Annotated[str, Field(max_length=4096, repr=False)]
"""A password or an invitation as it is sent."""


# --- who calls -------------------------------------------------------------------------------------------------------


class SignIn(Asked):
    """A local user and their password."""

    user: Annotated[str, Field(max_length=200)]
    password: Given


class AcceptInvitation(Asked):
    """An invitation, and the password that is from now on that of who was invited."""

    invitation: Given
    password: Given


class ChangePassword(Asked):
    password: Given
    """The present one."""
    new_password: Given


class Me(View):
    """Who calls, and what they may."""

    name: str
    role: Role | None
    id: str | None
    """Of a token that belongs to no user null."""
    via: Via
    token: str | None
    expires_at: Time | None
    """When the session or token ends by itself."""
    notice: str | None
    """Why there is no role, and what to do about it."""

    @classmethod
    def of(cls, person: Person) -> Me:
        return cls(**{name: getattr(person, name) for name in cls.model_fields})


class SessionView(Me):
    """A session, or what a token comes to."""

    display_name: str | None
    must_change_password: bool
    csrf_token: str | None
    """To be sent as `X-CSRF-Token` with whatever changes something. Null: no session."""


class Methods(View):
    """How people may sign in here."""

    password: bool
    oidc: bool


Port = Annotated[int, Field(ge=1024, le=65535, strict=False)]
Challenge = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
Machine = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,39}$")]


class AnswerNexo(Asked):
    """A form: what somebody answers to a `nexo` that wants to act as them."""

    port: Port
    """Where it listens, on 127.0.0.1 of the machine of this browser."""
    challenge: Challenge
    """The SHA-256 of its verifier, in base64url."""
    name: Machine
    """What it calls its machine."""
    answer: Literal["allow", "deny"]
    csrf_token: Annotated[str, Field(max_length=100, repr=False)]


class RedeemCode(Asked):
    """A code that somebody allowed, and the verifier of the `nexo` for which they did."""

    code: Annotated[str, Field(max_length=2000, repr=False)]
    verifier: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$", repr=False)]


# --- users -----------------------------------------------------------------------------------------------------------


class CreateUser(Asked):
    """A local user: invited, unless a first password is given, which they have to change when they sign in."""

    name: Name
    role: Annotated[Role, Field(strict=False)]
    password: Annotated[str | None, Field(max_length=4096, repr=False)] = None
    expires_in: Annotated[int, Field(ge=600, le=2_592_000)] = 604_800
    """Seconds; of the invitation."""


class Invite(Asked):
    expires_in: Annotated[int, Field(ge=600, le=2_592_000)] = 604_800
    """Seconds."""


class ChangeUser(Asked):
    """What is not named stays. `role` null: back to what the provider's claims come to."""

    role: Annotated[Role | None, Field(strict=False)] = None
    disabled: bool = False


class UserView(View):
    id: str
    name: str
    display_name: str | None
    origin: Origin
    issuer: str | None
    subject: str | None
    role: Role | None
    """What they may: as given here, else as the provider's claims come to."""
    given_role: Role | None
    mapped_role: Role | None
    disabled: bool
    must_change_password: bool
    invited_until: Time | None
    created_at: Time

    @classmethod
    def of(cls, user: User) -> UserView:
        told: dict[str, Any] = {"role": user.may, "given_role": user.role}
        return cls(**{name: getattr(user, name) for name in cls.model_fields if name not in told}, **told)


class InvitedUser(UserView):
    """A user, and the invitation, which is shown this once. Null: they have a first password."""

    invitation: str | None


class UserList(View):
    items: list[UserView]
    cursor: str | None


# --- tokens and enrolments -------------------------------------------------------------------------------------------


class CreateToken(Asked):
    name: Name
    role: Annotated[Role, Field(strict=False)]
    expires_at: Annotated[Moment | None, Field(strict=False)] = None
    """90 days if nothing is said; null: never."""


class TokenView(View):
    name: str
    role: Role
    """The most that it may; never more than its user may today."""
    user: str | None
    """Whose it is."""
    created_at: Time
    expires_at: Time | None
    last_used_at: Time | None
    """To within ten minutes."""

    @classmethod
    def of(cls, known: Token, user: str | None, last_used_at: datetime | None, **more: str) -> Self:
        plain: dict[str, Any] = {**known.model_dump(exclude={"user"}), **more}
        return cls(**plain, user=user, last_used_at=last_used_at)


class CreatedToken(TokenView):
    """The token is shown this once."""

    token: str


class TokenList(View):
    items: list[TokenView]
    cursor: str | None


LabelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9:._-]{0,62}$")]
LabelValue = Annotated[str, Field(max_length=200)]


class CreateEnrolment(Asked):
    """A token with which so many agents may become sinks of this type, for so long or until then."""

    sink_type: Name
    uses: Annotated[int, Field(ge=1, le=MOST_USES)] = 1
    expires_in: Annotated[int | None, Field(ge=60, le=31_536_000)] = None
    """Seconds; a day if neither is given."""
    expires_at: Annotated[Moment | None, Field(strict=False)] = None
    labels: Annotated[dict[LabelName, LabelValue], Field(max_length=20)] = Field(default_factory=dict)
    networks: Annotated[list[str], Field(max_length=100)] = Field(default_factory=list)
    replace: bool = False
    """A sink of the same name and type is replaced, and its credential ends."""
    ephemeral: bool = False
    """Sinks that are removed by themselves ten minutes after they have gone."""


class EnrolmentView(View):
    id: str
    sink_type: str
    uses_left: int
    created_at: Time
    expires_at: Time
    labels: dict[str, str]
    networks: list[str]
    replace: bool
    ephemeral: bool


class CreatedEnrolment(EnrolmentView):
    """The token is shown this once."""

    token: str


class EnrolmentList(View):
    items: list[EnrolmentView]
    cursor: str | None
