"""Refusals of who is not known, or may not: beyond so many a minute one entry stands for all others of that minute.

Bounded for each address, so that one that asks all the time does not hide the others; and in all, so that many cannot
fill the storage. Each process counts its own. A crash loses the count of the minute.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hub.clock import Clock
from hub.errors import NexomaticError
from hub.model.audit import PEOPLE, AuditEntry, Result
from hub.rules import ids

log = logging.getLogger(__name__)

OF_AN_ADDRESS: Final = 20
IN_ALL: Final = 100
MINUTE: Final = timedelta(minutes=1)
_WRITE: Final = "count refused attempts"
TOO_MANY: Final = "TOO MANY REFUSED"
"""The action of the entry that counts."""


@dataclass(slots=True)
class _Minute:
    begins: datetime
    of: Counter[str | None] = field(default_factory=Counter)
    """Entries of their own, by address."""
    counts: Counter[int] = field(default_factory=Counter)
    """The others, by status."""


class Refusals:
    """Says which have an entry of their own, and counts the others. One per process."""

    def __init__(
        self, append: Callable[[AuditEntry], Awaitable[object]], clock: Clock, randomness: Callable[[], int]
    ) -> None:
        self._append = append
        self._clock = clock
        self._randomness = randomness
        self._minute = _Minute(datetime.min.replace(tzinfo=UTC))
        self._writing: set[asyncio.Task[None]] = set()

    def single(self, entry: AuditEntry) -> bool:
        """Whether this one, one more, has an entry of its own; if not, it is counted."""
        begins = entry.at.replace(second=0, microsecond=0)
        if self._minute.begins != begins:
            self._write_counts()
            self._minute = _Minute(begins)
        minute = self._minute
        if minute.of[entry.address] < OF_AN_ADDRESS and minute.of.total() < IN_ALL:
            minute.of[entry.address] += 1
            return True
        minute.counts[entry.status or 0] += 1
        if minute.counts.total() == 1:  # in case nobody is refused in the next minute
            self._start(self._write_later(minute))
        return False

    async def flush(self) -> None:
        """Write what was counted, now, and wait for what is being written."""
        self._write_counts()
        await asyncio.gather(*(each for each in self._writing if each.get_name() == _WRITE))

    async def _write_later(self, minute: _Minute) -> None:
        await asyncio.sleep((minute.begins + MINUTE - self._clock.now()).total_seconds())
        if minute is self._minute:
            self._write_counts()

    def _write_counts(self) -> None:
        minute, self._minute = self._minute, _Minute(self._minute.begins, self._minute.of)
        if minute.counts:
            self._start(self._write(_entry(minute, ids.new(minute.begins, self._randomness(), 1))), _WRITE)

    async def _write(self, entry: AuditEntry) -> None:
        try:
            await self._append(entry)
        except NexomaticError as error:
            log.warning("%d refused attempts are missing in the audit: %s", entry.count, error)

    def _start(self, work: Coroutine[Any, Any, None], name: str = "wait for the minute's end") -> None:
        task = asyncio.create_task(work, name=name)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)


def _entry(minute: _Minute, attempt_id: str) -> AuditEntry:
    return AuditEntry(
        chain=PEOPLE,
        seq=0,
        id=attempt_id,
        at=minute.begins,
        action=TOO_MANY,
        resource="",
        result=Result.REFUSED,
        status=minute.counts.most_common(1)[0][0],
        reason=f"more than {OF_AN_ADDRESS} of an address, or {IN_ALL} in all, in this minute: these are the others",
        count=minute.counts.total(),
        counts={str(status): number for status, number in minute.counts.items()},
    )
