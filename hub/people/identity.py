"""Who is calling: read from the Authorization header and the copy of the configuration, without asking storage."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias, TypeVar

from hub.clock import Clock
from hub.errors import NotAuthenticated
from hub.model.people import Role, Token
from hub.model.sink import Sink
from hub.people.secret_text import LONGEST, SINK_PREFIX, TOKEN_PREFIX, digest
from hub.storage.configuration import Credentials

FIRST_ADMIN: Final = "first-admin"
"""What the bearer of the token in the settings is called."""


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Nobody said who they are."""

    why: str | None = None
    """Why what they showed does not count, if they showed something."""


class Via(StrEnum):
    """How a person proved who they are."""

    SESSION = "session"
    """By the cookie of a session."""
    TOKEN = "token"  # noqa: S105 - the way, not a token
    FIRST_ADMIN_TOKEN = "first-admin-token"  # noqa: S105
    """By the token in the settings."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user, or who bears a token that belongs to none: the actor of a request, as the audit names them."""

    name: str
    """The user's; of a token without a user the token's."""
    role: Role | None
    """None: known here, and allowed nothing."""
    id: str | None = None
    """The user's. It stays the same, whatever they are called."""
    via: Via = Via.TOKEN
    token: str | None = None
    """The name of the token."""
    session: str | None = None
    """The id of the session. It opens nothing: the cookie is signed."""
    generation: int | None = None
    """Of the user, when the session began: another one ends it."""
    expires_at: datetime | None = None
    """When the session or token ends by itself."""
    notice: str | None = None
    """Why there is no role, and what to do about it."""


Caller: TypeAlias = Anonymous | Person | Sink

T = TypeVar("T")


def actor_of(caller: Caller) -> str | None:
    """Who it is, as the audit names them; None: nobody who proved who they are."""
    if isinstance(caller, Sink):
        return f"sinks/{caller.name}"
    if isinstance(caller, Anonymous):
        return None
    if caller.via is Via.FIRST_ADMIN_TOKEN:
        return FIRST_ADMIN
    return f"tokens/{caller.name}" if caller.id is None else f"users/{caller.name}"


class Identity:
    """Knows callers by their tokens.

    `credentials` is the copy, at most 5 s old; `news` reads it anew, for what it does not know; `used` is told the
    hash of each access token that comes.
    """

    def __init__(
        self,
        credentials: Callable[[], Awaitable[Credentials]],
        news: Callable[[], Awaitable[Credentials]],
        clock: Clock,
        first_admin_sha256: str | None = None,
        used: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self._credentials = credentials
        self._news = news
        self._clock = clock
        self._first_admin = first_admin_sha256
        self._used = used

    async def of(self, authorization: str | None) -> Caller:
        """The caller. Raises `NotAuthenticated` for a credential that is not valid, or not any more."""
        if authorization is None:
            return Anonymous()
        scheme, _, text = authorization.partition(" ")
        text = text.strip()
        if scheme.casefold() != "bearer" or not text or len(text) > LONGEST:
            raise NotAuthenticated("the Authorization header is not `Bearer` and a token")
        if text.startswith(SINK_PREFIX):
            return await self._sink(digest(text))
        if text.startswith(TOKEN_PREFIX):
            return await self._person(digest(text))
        raise NotAuthenticated

    async def _sink(self, sha256: str) -> Sink:
        for read in (self._credentials, self._news):
            credentials = await read()
            found = _known(credentials.sinks, sha256)
            if found is not None:
                return found
            old = _known(credentials.old_sinks, sha256)
            if old is not None and self._clock.now() < old.until:
                return old.sink
        raise NotAuthenticated("this credential is not valid: the sink was removed, or never enrolled here")

    async def _person(self, sha256: str) -> Person:
        if self._first_admin is not None and hmac.compare_digest(self._first_admin, sha256):
            return Person(FIRST_ADMIN, Role.ADMIN, via=Via.FIRST_ADMIN_TOKEN)
        credentials = await self._credentials()
        if sha256 not in credentials.tokens:
            credentials = await self._news()
        token = _known(credentials.tokens, sha256)
        if token is None:
            raise NotAuthenticated("this token is not valid: it was revoked, or never made here")
        if _expired(token, self._clock):
            raise NotAuthenticated("this token has expired")
        person = _bearer(token, credentials)
        if self._used is not None:
            await self._used(sha256)
        return person


def _bearer(token: Token, credentials: Credentials) -> Person:
    """Who bears this token, and what that comes to today: never more than its user may."""
    if token.user is None:
        return Person(token.name, token.role, token=token.name, expires_at=token.expires_at)
    user = credentials.users.get(token.user)
    if user is None or user.disabled:
        raise NotAuthenticated("the user of this token was disabled or removed")
    role = Role.VIEWER if user.may is Role.VIEWER else token.role
    notice = None if user.may is not None else f"{user.name}, whose token this is, has no role here any more"
    return Person(
        user.name,
        role if user.may else None,
        user.id,
        Via.TOKEN,
        token.name,
        expires_at=token.expires_at,
        notice=notice,
    )


def _known(stored: Mapping[str, T], sha256: str) -> T | None:
    """Found by its hash, which says nothing of the token: how long the search takes tells a caller nothing either."""
    return stored.get(sha256)


def _expired(token: Token, clock: Clock) -> bool:
    return token.expires_at is not None and token.expires_at <= clock.now()
