"""Access tokens for scripts and people: made, listed, revoked. Only the hash is stored; the token is shown once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from hub.clock import Clock
from hub.errors import FieldError, Invalid, NotFound, Rejected
from hub.model.people import Role, Token
from hub.people.secret_text import TOKEN_PREFIX, digest
from hub.storage.configuration import Configuration, Edit, Entry, RowKind, Write

Newest: TypeAlias = Callable[[], Awaitable[Configuration]]


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token at the one moment when it is known."""

    token: Token
    text: str = field(repr=False)


class Tokens:
    """Makes and revokes access tokens."""

    def __init__(self, newest: Newest, write: Write, clock: Clock, new_secret: Callable[[], str]) -> None:
        self._newest = newest
        self._write = write
        self._clock = clock
        self._new_secret = new_secret

    async def create(self, name: str, role: Role, expires_at: datetime | None = None) -> NewToken:
        """A new token. Raises `Rejected` if the name is taken, `Invalid` for a time that is over."""
        now = self._clock.now()
        check_future("expires_at", expires_at, now)
        text = TOKEN_PREFIX + self._new_secret()
        token = Token(name=name, role=role, created_at=now.replace(microsecond=0), expires_at=expires_at)
        entry = Entry(RowKind.TOKEN, name, token, sha256=digest(text))

        def decide(seen: Configuration) -> Edit:
            if seen.get(RowKind.TOKEN, name) is not None:
                raise Rejected(f"there is a token {name}: choose another name, or revoke that one first")
            return Edit(put=[entry])

        await self._write(decide)
        return NewToken(token, text)

    async def list(self) -> list[Token]:
        """All tokens, by name, those that have expired too."""
        return [each.model for each in (await self._newest()).of(RowKind.TOKEN) if isinstance(each.model, Token)]

    async def revoke(self, name: str) -> None:
        """End a token: no process accepts it for more than 5 s from now. Raises `NotFound`."""

        def decide(seen: Configuration) -> Edit:
            entry = seen.get(RowKind.TOKEN, name)
            if entry is None:
                raise NotFound(f"there is no token {name}")
            return Edit(remove=[entry])

        await self._write(decide)


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
