"""One attempt to do something that is audited, from its beginning to its entry in the chain.

What an attempt changes is written down before it is changed (`intend`), and how it ended after: a process that dies
between leaves what it was about to do, from which `unfinished.py` makes an entry that says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import JsonValue

from hub.model.audit import PEOPLE, AuditEntry, Change, Result
from hub.rules.audit_changes import bounded

MOST_REASON_CHARS: Final = 500
MOST_RESOURCE_CHARS: Final = 300


@dataclass(frozen=True, slots=True)
class Who:
    """Who acts, as far as they have proved it, and from where."""

    actor: str | None = None
    address: str | None = None


class Attempt:
    """What is known of it so far. Not shared between tasks."""

    def __init__(self, begun: AuditEntry, keep: Callable[[AuditEntry], Awaitable[None]]) -> None:
        self._entry = begun
        self._keep = keep
        self.status: int | None = None
        """What it is answered, if it ends well."""

    @property
    def entry(self) -> AuditEntry:
        return self._entry

    def is_by(self, actor: str) -> None:
        """Who acts is known only now: who signs in, once they have."""
        self._entry = self._entry.model_copy(update={"actor": actor})

    def concerns(self, resource: str) -> None:
        """What it is done to is known only now."""
        self._entry = self._entry.model_copy(update={"resource": resource[:MOST_RESOURCE_CHARS]})

    def changed(self, changes: Iterable[Change]) -> None:
        """What it has changed; with nobody to be told beforehand."""
        self._entry = self._entry.model_copy(update={"changes": bounded(changes)})

    async def intend(self, changes: Iterable[Change] = ()) -> None:
        """Write down what is about to be changed. One operation. Raises `Unavailable`: then nothing may be changed.

        May be called again, when what was intended could not be done as it was.
        """
        self.changed(changes)
        await self._keep(self._entry)

    def ended(self, result: Result, status: int | None, reason: str | None) -> AuditEntry:
        """Its entry. What did not come to pass is not told as a change."""
        told: dict[str, object] = {"result": result, "status": status, "reason": reason and reason[:MOST_REASON_CHARS]}
        if result is Result.REFUSED:
            told["changes"] = ()
        return self._entry.model_copy(update=told)


def begun(attempt_id: str, at: datetime, who: Who, action: str, resource: str) -> AuditEntry:
    """The entry of an attempt as long as nobody knows how it ended."""
    return AuditEntry(
        chain=PEOPLE,
        seq=0,
        id=attempt_id,
        at=at,
        actor=who.actor,
        address=who.address,
        action=action,
        resource=resource[:MOST_RESOURCE_CHARS],
        result=Result.UNKNOWN,
    )


current: ContextVar[Attempt | None] = ContextVar("audited_attempt", default=None)
"""The attempt that this task is part of: who writes for it, deep below, says through this what is about to change."""


async def intend(changes: Iterable[Change] = ()) -> None:
    """As `Attempt.intend`, for the attempt of this task; nothing if there is none: the hub does it by itself."""
    attempt = current.get()
    if attempt is not None:
        await attempt.intend(changes)


def concerns(resource: str) -> None:
    """As `Attempt.concerns`, for the attempt of this task."""
    attempt = current.get()
    if attempt is not None:
        attempt.concerns(resource)


async def signed_in(user: str) -> None:
    """The attempt of this task is this user's from now on, who signs in. Raises `Unavailable`: then they do not."""
    attempt = current.get()
    if attempt is not None:
        attempt.is_by(f"users/{user}")
        attempt.concerns(f"users/{user}")
        await attempt.intend(attempt.entry.changes)


def came_to(resource: str, after: Mapping[str, JsonValue], about: str | None = None) -> None:
    """The attempt of this task has made this, of which it could not say before what it would be called.

    `about`: what the attempt is about, if that is known only now too.
    """
    attempt = current.get()
    if attempt is not None:
        attempt.changed([Change(resource=resource, after=dict(after))])
        if about is not None:
            attempt.concerns(about)
