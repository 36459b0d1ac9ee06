"""Access tokens for scripts and people: made, listed, revoked. Only the hash is stored; the token is shown once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from hub.clock import Clock
from hub.errors import FieldError, Invalid, NotAllowed, NotFound, Rejected
from hub.model.people import Role, Token
from hub.people.identity import Person
from hub.people.secret_text import TOKEN_PREFIX, digest
from hub.storage.configuration import Configuration, Edit, Entry, RowKind, Write

USUAL_LIFETIME: Final = timedelta(days=90)
"""Of a token of which nothing else is said."""

Newest: TypeAlias = Callable[[], Awaitable[Configuration]]


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token at the one moment when it is known."""

    token: Token
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KnownToken:
    """A token as it is known later."""

    token: Token
    sha256: str = field(repr=False)


class Tokens:
    """Makes and revokes access tokens."""

    def __init__(self, newest: Newest, write: Write, clock: Clock, new_secret: Callable[[], str]) -> None:
        self._newest = newest
        self._write = write
        self._clock = clock
        self._new_secret = new_secret

    async def create(
        self, name: str, role: Role, expires_at: datetime | None = None, user: str | None = None
    ) -> NewToken:
        """A new token. Raises `Rejected` if the name is taken, `Invalid` for a time that is over."""
        now = self._clock.now()
        check_future("expires_at", expires_at, now)
        token = Token(name=name, role=role, created_at=now.replace(microsecond=0), expires_at=expires_at, user=user)
        made, entry = with_text(token, self._new_secret())

        def decide(seen: Configuration) -> Edit:
            check_free(seen, name)
            return Edit(put=[entry])

        await self._write(decide)
        return made

    async def create_for(self, maker: Person, name: str, role: Role, expires_at: datetime | None) -> NewToken:
        """A token of somebody's own. It may no more than they, and one made with a token ends no later than that.

        Raises `NotAllowed`, and what `create` raises.
        """
        if maker.role is not Role.ADMIN and role is Role.ADMIN:
            raise NotAllowed("a token may no more than who makes it: VIEWER is allowed")
        ends = maker.expires_at if maker.token is not None else None
        if ends is not None and (expires_at is None or expires_at > ends):
            what = f"must be {ends:%Y-%m-%dT%H:%M:%SZ} or before: this token is made with one that expires then"
            raise Invalid(f"expires_at {what}", [FieldError("expires_at", what)])
        return await self.create(name, role, expires_at, maker.id)

    async def list(self, of: Person | None = None) -> list[KnownToken]:
        """All tokens by name, expired ones too; of somebody who is no admin only their own."""
        found = [(each.model, each.sha256) for each in (await self._newest()).of(RowKind.TOKEN)]
        return [KnownToken(each, sha256) for each, sha256 in found if isinstance(each, Token) and _is_theirs(each, of)]

    async def revoke(self, name: str, by: Person | None = None) -> str:
        """End a token: no process accepts it for more than 5 s from now. Answers its hash. Raises `NotFound`."""
        ended: list[str] = []

        def decide(seen: Configuration) -> Edit:
            entry = seen.get(RowKind.TOKEN, name)
            if entry is None or not isinstance(entry.model, Token) or not _is_theirs(entry.model, by):
                raise NotFound(f"there is no token {name}")
            ended[:] = [entry.sha256]
            return Edit(remove=[entry])

        await self._write(decide)
        return ended[0]


def with_text(token: Token, secret: str) -> tuple[NewToken, Entry]:
    """The token with its text, of 256 random bits, and the row to put."""
    text = TOKEN_PREFIX + secret
    return NewToken(token, text), Entry(RowKind.TOKEN, token.name, token, sha256=digest(text))


def check_free(seen: Configuration, name: str) -> None:
    """Raises `Rejected` if a token has this name."""
    if seen.get(RowKind.TOKEN, name) is not None:
        raise Rejected(f"there is a token {name}: choose another name, or revoke that one first")


def _is_theirs(token: Token, person: Person | None) -> bool:
    """Whether they may see and revoke it."""
    if person is None or person.role is Role.ADMIN:
        return True
    return (person.id is not None and token.user == person.id) or token.name == person.token


def check_future(field_name: str, at: datetime | None, now: datetime) -> None:
    """Raises `Invalid` unless it is a time with its offset, and still to come."""
    if at is None:
        return
    if at.tzinfo is None:
        what = "needs its offset from UTC, such as 2030-01-01T00:00:00Z"
    elif at <= now:
        what = f"is over: it is {now:%Y-%m-%dT%H:%M:%SZ} now"
    else:
        return
    raise Invalid(f"{field_name} {what}", [FieldError(field_name, what)])
