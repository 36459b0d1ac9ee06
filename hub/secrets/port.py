"""What the hub asks of a keeper of secrets: the port that every engine carries.

Values go in by `put`, come out by `get`, and are in nothing else: no listing, no log, no error. Who may be given a
value is decided above (`hub/life/release.py` for sinks, `hub/people/roles.py` for people, who are given none).
"""

from __future__ import annotations

from collections.abc import Callable
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
    """The value is there and cannot be read: it was encrypted under a root key that this hub does not have."""


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
        self, name: str, value: str, description: str = "", *, by: str = "", expect: Expect = whatever_is_there
    ) -> SecretInfo:
        """Write a new version, which stands from then on. `by` says who did.

        Raises `Invalid` for a name or a value that cannot be (never repeating the value), and what `expect` raises.
        After `Unavailable` the old or the new version stands, never anything else.
        """
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
