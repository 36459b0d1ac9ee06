"""What the hub asks of its secrets, and what that asks of who keeps the values: the hub's own storage, a Key Vault.

Values go in by `put`, come out by `get`, and are in nothing else: no listing, no log, no error. Who may be given a
value is decided above (`hub/life/release.py` for sinks, `hub/people/roles.py` for people, who are given none).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from hub.errors import FieldError, Invalid, Missing
from hub.model.secret import SecretInfo
from hub.rules import names

MOST_VALUE_BYTES: Final = 25 * 1024
"""Of UTF-8: what Key Vault takes, and so what every engine takes."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret with its value. Keep it no longer than it is needed, and put it into no message."""

    name: str
    value: str = field(repr=False)
    version: str
    """Another value has another version."""


class Unreadable(Missing):
    """The value is there and cannot be read: encrypted under another root key, disabled in the vault."""


Expect: TypeAlias = Callable[[str | None], None]
"""Told the version that stands (None: there is none), raises what refuses the write: `Changed`."""


def whatever_is_there(_: str | None) -> None:
    """Expects nothing."""


class Secrets(Protocol):
    """Keeps secrets by name; upper and lower case are the same. Every call may also raise `Unavailable`."""

    async def get(self, name: str) -> Secret:
        """The value that stands. Raises `Missing`, and its kind `Unreadable`."""
        ...

    async def put(
        self, name: str, value: str | None, description: str = "", *, by: str = "", expect: Expect = whatever_is_there
    ) -> SecretInfo:
        """Write a new version, which stands from then on; the one before it is kept, and none older. `by` says who did.

        No value: the secret is one that somebody else puts into the vault; it is read there from then on.
        Raises `Invalid` for a name or a value that cannot be (never repeating the value), `Rejected` for what is not
        the hub's to write, and what `expect` raises. After `Unavailable` the old or the new version stands, never
        anything else.
        """
        ...

    async def restore(self, name: str, version: str, *, by: str = "", expect: Expect = whatever_is_there) -> SecretInfo:
        """Let the version before stand again; done already, nothing changes. Raises `Missing`, `Rejected`, as above."""
        ...

    async def delete(self, name: str, *, expect: Expect = whatever_is_there) -> None:
        """Remove the secret. Raises `Missing`, `Rejected` with those who name it, and what `expect` raises."""
        ...

    async def describe(self, name: str) -> SecretInfo:
        """What is known of one secret beside its value. Raises `Missing`."""
        ...

    async def list(self) -> list[SecretInfo]:
        """All secrets by name, without their values."""
        ...


class Values(Protocol):
    """Keeps values by name and version. Every call may also raise `Unavailable`."""

    async def add(self, name: str, value: str | None, *, after: str | None) -> str:
        """Keep one more value; its version. `after`: the version that stands, if this keeper has it.

        Without a value: the version of the one that is there already. Raises `Invalid`, `Rejected`, `Missing`.
        """
        ...

    async def read(self, name: str, version: str) -> Secret:
        """Raises `Missing`, and its kind `Unreadable`."""
        ...

    async def retire(self, name: str, version: str) -> None:
        """Nobody refers to this version any more. One that is not there is fine."""
        ...

    async def remove(self, name: str, versions: Sequence[str]) -> None:
        """The secret is gone: so are its values. What is not there is fine."""
        ...


def check(name: str, value: str) -> None:
    """Raises `Invalid`, naming the field, never the value."""
    names.check_secret_name(name)
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise _refusal("holds half a surrogate pair, which is no text") from None
    if not size:
        raise _refusal("is empty; a secret has at least one character")
    if size > MOST_VALUE_BYTES:
        raise _refusal(f"is {size} bytes of UTF-8; at most {MOST_VALUE_BYTES} are allowed")


def _refusal(what: str) -> Invalid:
    return Invalid(f"the value {what}", [FieldError("value", what)])
