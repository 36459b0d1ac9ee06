"""Users: invited, listed, given another role, disabled, removed. There is always an admin left who can sign in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from hub.clock import Clock
from hub.errors import FieldError, Invalid, NotFound, Rejected
from hub.model.people import EndedSession, Origin, Role, User
from hub.people.passwords import Passwords
from hub.people.secret_text import INVITATION_PREFIX, digest
from hub.rules import passwords as password_rules
from hub.storage.configuration import Configuration, Decide, Edit, Entry, RowKind, Write

RESERVED: Final = "oidc:"
"""What the names of people whom a provider knows begin with: nobody can be mistaken for a local user."""
MOST_ENDED: Final = 50
"""Single sessions that a user's row remembers as ended; one more ends them all."""

Newest: TypeAlias = Callable[[], Awaitable[Configuration]]


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user, and an invitation at the one moment when it is known."""

    user: User
    invitation: str | None = field(default=None, repr=False)


class Users:
    """The users of the hub. `new_id` draws a short public name, `new_secret` 256 bits."""

    def __init__(
        self,
        newest: Newest,
        write: Write,
        clock: Clock,
        passwords: Passwords,
        new_secret: Callable[[], str],
        new_id: Callable[[], str],
    ) -> None:
        self._newest = newest
        self._write = write
        self._clock = clock
        self._passwords = passwords
        self._new_secret = new_secret
        self._new_id = new_id

    async def list(self) -> list[User]:
        """All users, by name."""
        return sorted(users_of(await self._newest()), key=lambda each: each.name.casefold())

    async def get(self, name: str) -> User:
        """Raises `NotFound`."""
        return named(await self._newest(), name).user

    async def invite(self, name: str, role: Role, expires_at: datetime) -> NewUser:
        """A new user, and the invitation with which they set a password. Raises `Rejected` if the name is taken."""
        user = replace_in(self._new(name, role), invited_until=expires_at)
        text = INVITATION_PREFIX + self._new_secret()
        await self._write(_addition(user, sha256=digest(text)))
        return NewUser(user, text)

    async def create(self, name: str, role: Role, password: str) -> NewUser:
        """A new user with a password that they have to change when they first sign in. Raises `Rejected`, `Invalid`."""
        password_rules.check("password", password, name)
        user = replace_in(self._new(name, role), has_password=True, must_change_password=True)
        await self._write(_addition(user, password=await self._passwords.hash(password)))
        return NewUser(user)

    def _new(self, name: str, role: Role) -> User:
        if name.casefold().startswith(RESERVED):
            what = f"must not begin with {RESERVED}, as the names of people do whom a provider knows"
            raise Invalid(f"name {what}", [FieldError("name", what)])
        now = self._clock.now()
        created_at = now.replace(microsecond=0)
        return User(
            id=f"u{self._new_id()}", name=name, role=role, created_at=created_at, generation=first_generation(now)
        )

    async def invite_again(self, name: str, expires_at: datetime) -> NewUser:
        """Another invitation, for who has lost theirs or has forgotten the password, which is good until it is used.

        Raises `Rejected` for somebody whom a provider knows.
        """
        text = INVITATION_PREFIX + self._new_secret()

        def decide(found: _Found) -> _Found:
            if found.user.origin is not Origin.LOCAL:
                raise Rejected(f"{found.user.name} signs in with a provider: there is no password here")
            return found.changed(sha256=digest(text), invited_until=expires_at)

        return NewUser(await self._change(name, decide), text)

    async def change(self, name: str, *, changes: Mapping[str, Any]) -> User:
        """Another `role`, or `disabled` or not; ends every session of theirs if that changes what they may.

        Raises `NotFound`; `Rejected` if nobody could administer the hub any more.
        """

        def decide(found: _Found) -> _Found:
            after = replace_in(found.user, **changes)
            if after == found.user:
                return found
            if after.origin is Origin.LOCAL and after.role is None:
                what = (
                    "must be 'ADMIN' or 'VIEWER': only of people whom a provider knows there is a mapping to go back to"
                )
                raise Invalid(f"role {what}", [FieldError("role", what)])
            return found.changed(**changes, generation=after.generation + 1, ended=())

        return await self._change(name, decide)

    async def remove(self, name: str) -> None:
        """Remove a user, and with them their tokens. Raises `NotFound`; `Rejected` for the last admin."""

        def decide(seen: Configuration) -> Edit:
            found = named(seen, name)
            tokens = [each for each in seen.of(RowKind.TOKEN) if getattr(each.model, "user", None) == found.user.id]
            edit = Edit(remove=[found.entry, *tokens])
            check_an_admin_is_left(seen, edit, found.user)
            return edit

        await self._write(decide)

    async def end_session(self, user_id: str, session_id: str, until: datetime) -> None:
        """Sign out here: this session is over, within 5 s everywhere."""

        def decide(found: _Found) -> _Found:
            if any(each.id == session_id for each in found.user.ended):
                return found
            return found.changed(**ending(found.user, session_id, until, self._clock.now()))

        await self._change_id(user_id, decide)

    async def end_all_sessions(self, user_id: str) -> None:
        """Sign out everywhere."""
        await self._change_id(user_id, lambda found: found.changed(generation=found.user.generation + 1, ended=()))

    async def _change(self, name: str, decide: Callable[[_Found], _Found]) -> User:
        return await carry_out(self._write, lambda seen: named(seen, name), decide)

    async def _change_id(self, user_id: str, decide: Callable[[_Found], _Found]) -> User:
        return await carry_out(self._write, lambda seen: with_id(seen, user_id), decide)


@dataclass(frozen=True, slots=True)
class _Found:
    """A user and their row."""

    user: User
    entry: Entry

    def changed(self, *, sha256: str | None = None, password: str | None = None, **fields: Any) -> _Found:
        """The same with other fields, or another hash of the invitation or password."""
        user = replace_in(self.user, **fields)
        entry = replace(
            self.entry,
            model=user,
            sha256=self.entry.sha256 if sha256 is None else sha256,
            password=self.entry.password if password is None else password,
        )
        return _Found(user, entry)


Found: TypeAlias = _Found


async def carry_out(write: Write, find: Callable[[Configuration], Found], decide: Callable[[Found], Found]) -> User:
    """Change one user, with an admin left. `decide` may be asked more than once; the user as they then are."""
    done: list[User] = []

    def edit(seen: Configuration) -> Edit:
        before = find(seen)
        after = decide(before)
        done[:] = [after.user]
        if after.entry == before.entry:
            return Edit()
        change = Edit(put=[after.entry])
        check_an_admin_is_left(seen, change, before.user)
        return change

    await write(edit)
    return done[0]


def check_an_admin_is_left(seen: Configuration, edit: Edit, user: User) -> None:
    """Raises `Rejected` if this user is the last admin who can sign in, and would not be one afterwards."""
    if user.is_admin and not any(each.is_admin for each in users_of(seen.after(edit))):
        raise Rejected(f"{user.name} is the last admin who can sign in: make another one first")


def ending(user: User, id: str, until: datetime, now: datetime) -> dict[str, Any]:  # noqa: A002
    """What of this user changes when the session, or the code, of this id is over before its time, which is `until`."""
    kept = tuple(each for each in user.ended if each.until > now)
    if len(kept) >= MOST_ENDED:
        return {"generation": user.generation + 1, "ended": ()}
    return {"ended": (*kept, EndedSession(id=id, until=until))}


def first_generation(now: datetime) -> int:
    """Of a new user: higher than that of whoever had the same id before, so that no session of theirs comes back."""
    return int(now.timestamp() * 1000)


def users_of(seen: Configuration) -> list[User]:
    return [each.model for each in seen.of(RowKind.USER) if isinstance(each.model, User)]


def named(seen: Configuration, name: str) -> Found:
    """By name, whatever its case. Raises `NotFound`."""
    for entry in seen.of(RowKind.USER):
        if isinstance(entry.model, User) and entry.model.name.casefold() == name.casefold():
            return _Found(entry.model, entry)
    raise NotFound(f"there is no user {name}")


def with_id(seen: Configuration, user_id: str) -> Found:
    """By id. Raises `NotFound`."""
    entry = seen.get(RowKind.USER, user_id)
    if entry is None or not isinstance(entry.model, User):
        raise NotFound("this user was removed")
    return _Found(entry.model, entry)


def replace_in(user: User, **fields: Any) -> User:
    return user.model_copy(update=fields)


def _addition(user: User, *, sha256: str = "", password: str = "") -> Decide:
    entry = Entry(RowKind.USER, user.id, user, sha256=sha256, password=password)

    def decide(seen: Configuration) -> Edit:
        if any(each.name.casefold() == user.name.casefold() for each in users_of(seen)):
            raise Rejected(f"there is a user {user.name}: choose another name")
        return Edit(put=[entry])

    return decide


def expiry(now: datetime, seconds: int) -> datetime:
    """When an invitation made now expires."""
    return now.replace(microsecond=0) + timedelta(seconds=seconds)
