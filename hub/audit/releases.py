"""Secret releases: which sink was given which version of which secret, for which event. One insert for each release.

Each process has a chain of its own, whose head it keeps in memory: it ends with the process, and the next one begins
another. So no two processes wait for each other. An entry of which nobody knows whether it was added is added again
before the next one, the same one: a chain has no gaps and no forks, whatever storage does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hub.audit.attempt import Who
from hub.batches import batches
from hub.clock import Clock
from hub.errors import Exists
from hub.model.audit import AuditEntry, GivenSecret, Result
from hub.rules import audit_chain, ids
from hub.rules.audit_chain import START, Link, Point
from hub.storage.release_rows import Part, ReleaseRows, hour_of

ACTION: Final = "POST /agent/events/{id}/secrets"
MOST_IN_ONE: Final = 100
"""Secrets in one entry, which a column holds. More are told in several."""


@dataclass(frozen=True, slots=True)
class _Due:
    """An entry that follows the head, and of which it is not known yet that it was added."""

    part: Part
    at: datetime
    link: Link


class Releases:
    """Records releases. One per process."""

    def __init__(self, rows: ReleaseRows, clock: Clock, randomness: Callable[[], int]) -> None:
        self._rows = rows
        self._clock = clock
        self._randomness = randomness
        self._chain = ""
        """Drawn at the first release."""
        self._head = START
        self._last: tuple[datetime, Part] | None = None
        self._due: _Due | None = None
        self._one_at_a_time = asyncio.Lock()

    async def record(self, who: Who, event_id: str, secrets: Sequence[GivenSecret]) -> None:
        """Record what is about to be given. One operation for each hundred; one more in an hour's first.

        Raises `Unavailable`: then nothing may be given. It may be recorded all the same.
        """
        async with self._one_at_a_time:
            await self._settle()
            for some in batches(secrets, MOST_IN_ONE):
                self._due = self._next(who, event_id, some)
                await self._settle()

    def _next(self, who: Who, event_id: str, secrets: Sequence[GivenSecret]) -> _Due:
        now = self._clock.now()
        at = now.replace(microsecond=now.microsecond // 1000 * 1000)
        if self._last is not None:
            at = max(at, self._last[0])  # a clock that was set back must not bring the rows out of order
        self._chain = self._chain or f"{self._randomness() & (1 << 64) - 1:016x}"
        part = Part(hour_of(at), self._chain)
        before = self._last[1].hour if self._last is not None else None
        entry = AuditEntry(
            chain=self._chain,
            seq=self._head.seq + 1,
            id=ids.new(now, self._randomness(), 1),
            at=at,
            actor=who.actor,
            address=who.address,
            action=ACTION,
            resource=f"events/{event_id}",
            result=Result.DONE,
            secrets=tuple(secrets),
            follows=before if before != part.hour else None,
        )
        return _Due(part, at, audit_chain.link(entry, self._head))

    async def _settle(self) -> None:
        """See that the entry that is due is there. Only then is it the head."""
        due = self._due
        if due is None:
            return
        if self._last is None or self._last[1] != due.part:
            await self._rows.open(due.part)
        with suppress(Exists):  # added by us, when nobody heard of it: nobody else writes to this chain
            await self._rows.add(due.part, due.at, due.link)
        self._head = Point(due.link.seq, due.link.hash)
        self._last = (due.at, due.part)
        self._due = None
