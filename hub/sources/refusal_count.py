"""Refusals beyond a hundred a minute of one source: one row counts them, so that a flood costs no row each.

Each process counts its own and writes its row about once a second, while there is something new. A crash loses the
last second of the count.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from hub.errors import NexomaticError
from hub.model.receipt import Receipt, Verdict
from hub.rules import ids

log = logging.getLogger(__name__)

MOST_A_MINUTE: Final = 100
WRITE_EVERY_SECONDS: Final = 1.0
_MANY: Final = f"more than {MOST_A_MINUTE} requests were refused in this minute: these are the others"
_NO_ROOM: Final = "the disk was nearly full: what was refused in this minute for that has no receipt each"


@dataclass(slots=True)
class _Minute:
    """One source's refusals in one minute."""

    begins: datetime
    id: str
    single: int = 0
    """How many have a receipt each."""
    counts: Counter[int] = field(default_factory=Counter)
    """The others, by status."""
    writing: asyncio.Task[None] | None = None


class RefusalCount:
    """Says which refusals have a receipt of their own, and counts the others. One per process."""

    def __init__(self, put: Callable[[Receipt], Awaitable[None]], randomness: Callable[[], int]) -> None:
        self._put = put
        self._randomness = randomness
        self._minutes: dict[str, _Minute] = {}

    def single(self, source: str, now: datetime) -> bool:
        """Whether this refusal, one more, has a receipt of its own."""
        minute = self._minute(source, now)
        if minute.single >= MOST_A_MINUTE:
            return False
        minute.single += 1
        return True

    def count(self, source: str, status: int, now: datetime) -> None:
        """Count one that has none; its row is written soon."""
        minute = self._minute(source, now)
        minute.counts[status] += 1
        if minute.writing is None or minute.writing.done():
            minute.writing = asyncio.create_task(self._write_soon(source, minute), name="write a count of refusals")

    async def flush(self) -> None:
        """Wait until what was counted is written."""
        writing = [minute.writing for minute in self._minutes.values() if minute.writing is not None]
        await asyncio.gather(*writing)

    def _minute(self, source: str, now: datetime) -> _Minute:
        begins = now.replace(second=0, microsecond=0)
        minute = self._minutes.get(source)
        if minute is None or minute.begins != begins:
            minute = self._minutes[source] = _Minute(begins, ids.new(begins, self._randomness(), 1))
        return minute

    async def _write_soon(self, source: str, minute: _Minute) -> None:
        written = 0
        while written < minute.counts.total():  # what is counted while a write is under way needs one more
            await asyncio.sleep(WRITE_EVERY_SECONDS)
            written = minute.counts.total()
            try:
                await self._put(_receipt(source, minute))
            except NexomaticError as error:
                log.warning("a count of refused requests of source %s was not written: %s", source, error)


def _receipt(source: str, minute: _Minute) -> Receipt:
    return Receipt(
        id=minute.id,
        source=source,
        at=minute.begins,
        verdict=Verdict.COUNTED,
        status=minute.counts.most_common(1)[0][0],
        reason=_MANY if minute.single >= MOST_A_MINUTE else _NO_ROOM,
        count=minute.counts.total(),
        counts={str(status): number for status, number in minute.counts.items()},
    )
