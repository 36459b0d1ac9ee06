"""Sign-in by name and password, the first password of who was invited, and another password."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from hub.clock import Clock
from hub.errors import FieldError, Invalid, NotAllowed, NotAuthenticated, NotFound, TooMany, Unavailable
from hub.model.people import Origin, User
from hub.people.passwords import Passwords
from hub.people.secret_text import digest
from hub.people.throttle import Guess, Throttle
from hub.people.users import Found, carry_out, named, with_id
from hub.rules import passwords as password_rules
from hub.storage.configuration import Configuration, RowKind, Write


class LocalSignIn:
    """Whom the hub itself knows by a password."""

    def __init__(
        self,
        newest: Callable[[], Awaitable[Configuration]],
        write: Write,
        clock: Clock,
        passwords: Passwords,
        throttle: Throttle,
    ) -> None:
        self._newest = newest
        self._write = write
        self._clock = clock
        self._passwords = passwords
        self._throttle = throttle

    async def sign_in(self, guess: Guess, password: str) -> User:
        """The user of this name and password.

        Raises `NotAuthenticated`, the same for a wrong name, a wrong password and a user without one, after the same
        time; `NotAllowed` for a disabled user whose password it is; `TooMany` for who guesses too much.
        """
        found = await self._checked(guess, password, self._by_name(guess.account))
        if found is None:
            raise NotAuthenticated("the name or the password is wrong")
        if found.user.disabled:
            raise NotAllowed("this user is disabled: ask an admin of this hub")
        if self._passwords.is_old(found.entry.password):
            return await self._hash_anew(found, password)
        return found.user

    async def accept(self, invitation: str, password: str) -> User:
        """The invited user, whose password this now is. Raises `NotAuthenticated` for an invitation that is over."""
        sha256 = digest(invitation)
        found = _invited(await self._newest(), sha256, self._clock)
        password_rules.check("password", password, found.user.name)
        hashed = await self._passwords.hash(password)
        return await carry_out(
            self._write,
            lambda seen: _invited(seen, sha256, self._clock),
            lambda before: _with_password(before, hashed).changed(sha256=""),
        )

    async def change_password(self, user_id: str, guess: Guess, password: str, new: str) -> User:
        """The same user, with another password and no session.

        Raises `NotAllowed` if the present one is wrong, `Invalid` for a new one that is not taken, `TooMany`.
        """

        async def me() -> Found:
            return with_id(await self._newest(), user_id)

        found = await self._checked(guess, password, me)
        if found is None:
            raise NotAllowed("the present password is wrong")
        password_rules.check("new_password", new, found.user.name)
        if password_rules.normal(new) == password_rules.normal(password):
            what = "must be another password"
            raise Invalid(f"new_password {what}", [FieldError("new_password", what)])
        hashed, before = await self._passwords.hash(new), found.entry.password

        def decide(now: Found) -> Found:
            if now.entry.password != before:
                raise NotAllowed("the present password was changed meanwhile")
            return _with_password(now, hashed)

        return await carry_out(self._write, lambda seen: with_id(seen, user_id), decide)

    async def _checked(self, guess: Guess, password: str, find: Callable[[], Awaitable[Found]]) -> Found | None:
        """The user whose password it is."""
        counted = self._throttle.begin(guess)
        try:
            found = await _or_nobody(find)
            stored = found.entry.password if found is not None and found.user.origin is Origin.LOCAL else None
            right = await self._passwords.matches(stored or None, password)
        except BaseException:
            self._throttle.void(counted)
            raise
        if not right:
            return None
        self._throttle.right(counted)
        return found

    def _by_name(self, name: str) -> Callable[[], Awaitable[Found]]:
        async def find() -> Found:
            return named(await self._newest(), name)

        return find

    async def _hash_anew(self, found: Found, password: str) -> User:
        before = found.entry.password
        try:
            hashed = await self._passwords.hash(password)
            return await carry_out(
                self._write,
                lambda seen: with_id(seen, found.user.id),
                lambda now: now.changed(password=hashed) if now.entry.password == before else now,
            )
        except (Unavailable, TooMany):
            return found.user  # the next sign-in tries again


async def _or_nobody(find: Callable[[], Awaitable[Found]]) -> Found | None:
    try:
        return await find()
    except NotFound:
        return None


def _with_password(found: Found, hashed: str) -> Found:
    return found.changed(
        password=hashed,
        has_password=True,
        must_change_password=False,
        invited_until=None,
        generation=found.user.generation + 1,
        ended=(),
    )


def _invited(seen: Configuration, sha256: str, clock: Clock) -> Found:
    for entry in seen.of(RowKind.USER):
        user = entry.model
        if isinstance(user, User) and entry.sha256 and hmac.compare_digest(entry.sha256, sha256):
            if user.disabled or user.invited_until is None or user.invited_until <= clock.now():
                break
            return Found(user, entry)
    raise NotAuthenticated("this invitation is not valid: it was used, replaced, has expired, or was never made here")
