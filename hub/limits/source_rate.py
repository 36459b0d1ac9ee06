"""How often a source may fire: each process takes tokens from the source's one bucket, a few at a time.

What the few are is reckoned in `rules/reserving.py`. A request that finds tokens here costs no operation; the one that
finds none takes the next lot, two operations. Over the limit a process reads the bucket at most once a second.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

from hub.clock import Clock
from hub.errors import TooMany
from hub.limits.token_rows import TokenRows
from hub.rules.reserving import Lot, good_for_seconds, next_lot, refused_for_seconds
from hub.rules.token_bucket import Rate

_SMALLEST_BUCKET: Final = 1.1
"""Of a burst of 1, the part of a token that flows in before somebody comes for the whole one would always be lost."""


@dataclass(eq=False, slots=True)
class _Held:
    """What this process has of one source's tokens. Times are the clock's monotonic seconds."""

    rate: Rate
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    """Requests that want a token this moment."""
    size: int = 0
    """Of the lot in hand, used up or not."""
    left: int = 0
    taken_at: float = 0.0
    good_until: float = 0.0
    missed_at: float | None = None
    """When the first request wanted one more than the lot had."""
    refused_until: float = 0.0

    def use_one(self, now: float) -> bool:
        """Whether there was one."""
        if self.left and now < self.good_until:
            self.left -= 1
            return True
        if self.missed_at is None:
            self.missed_at = now
        return False

    def last(self) -> Lot | None:
        """How the lot fared that is used up or has expired."""
        if not self.size or self.missed_at is None:
            return None
        return Lot(self.size, self.size - self.left, min(self.missed_at, self.good_until) - self.taken_at)


class SourceRates:
    """The tokens that this process holds, of all sources."""

    def __init__(self, rows: TokenRows, clock: Clock) -> None:
        self._rows = rows
        self._clock = clock
        self._held: dict[str, _Held] = {}

    async def take(self, source: str, rate: Rate) -> None:
        """A token for one request. Raises `TooMany` with when there is one again, `Unavailable`."""
        held = self._of(source, rate)
        now = self._clock.monotonic()
        if held.use_one(now):
            return
        _check(held, now)
        held.waiting += 1
        try:
            async with held.lock:
                now = self._clock.monotonic()
                if held.use_one(now):
                    return  # of the lot that whoever had the lock before has taken
                _check(held, now)
                await self._take_lot(source, held, now)
        finally:
            held.waiting -= 1

    async def _take_lot(self, source: str, held: _Held, now: float) -> None:
        """The next lot, and one of it used."""
        wanted = max(next_lot(held.rate, held.last()), held.waiting)
        held.left = 0
        grant = await self._rows.take(f"source:{source.casefold()}", _bucket_of(held.rate), wanted)
        if grant.next_in:  # the bucket is empty: once these are used, nobody need ask to know that
            held.refused_until = self._clock.monotonic() + refused_for_seconds(held.rate, grant.next_in)
        if not grant.tokens:
            _check(held, now)
        # Counted from before the bucket was read: a slow answer does not make them good for longer.
        held.taken_at, held.good_until, held.missed_at = now, now + good_for_seconds(held.rate), None
        held.size, held.left = grant.tokens, grant.tokens - 1

    def _of(self, source: str, rate: Rate) -> _Held:
        held = self._held.get(source.casefold())
        if held is None or held.rate != rate:
            held = self._held[source.casefold()] = _Held(rate)  # what was taken under another rate is void
        return held


def _check(held: _Held, now: float) -> None:
    if now < held.refused_until:
        rate = held.rate
        raise TooMany(
            f"this source takes {rate.limit:g} requests in {rate.per_seconds:g} s, {rate.burst:g} of them at once",
            retry_after_seconds=held.refused_until - now,
        )


def _bucket_of(rate: Rate) -> Rate:
    return Rate(rate.limit, rate.per_seconds, max(_SMALLEST_BUCKET, rate.burst))
