"""How many events of an EventType may start in a minute: a token for each start, from one bucket that all share.

None is taken ahead of its use, so the limit is exact; what starts at the same moment in one process takes its tokens
together. Who finds none is told when to come again, each at another time, at which a token is due: all at once they
would find one token for all of them, and the next ones would be lost while they wait.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

from hub.clock import Clock
from hub.limits.token_rows import TokenRows
from hub.rules.token_bucket import Rate, per_minute

LONGEST_WAIT_SECONDS: Final = 15.0
"""Hidden messages cannot be woken: a limit that is lifted is felt after so long."""
SPARE_SECONDS: Final = 1.0
"""How long a token is kept that was taken for a start which came to nothing."""
_LONG_AGO: Final = float("-inf")


@dataclass(eq=False, slots=True)
class _Starts:
    """What this process knows of one EventType's bucket. Times are the clock's monotonic seconds."""

    rate: Rate
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    tokens: int = 0
    """Taken for those who wait this moment, or given back."""
    good_until: float = _LONG_AGO
    empty_until: float = _LONG_AGO
    promised: float = _LONG_AGO
    """The latest time at which somebody was told to come again."""

    def use_one(self, now: float) -> bool:
        if not self.tokens or now >= self.good_until:
            return False
        self.tokens -= 1
        return True

    def wait(self, now: float) -> float:
        """When to come again: at the first token that nobody else of this process was told of."""
        due = max(self.empty_until, self.promised + 1 / self.rate.per_second)
        if due - now > LONGEST_WAIT_SECONDS:
            return LONGEST_WAIT_SECONDS
        self.promised = due
        return due - now


class StartRates:
    """The rates of all EventTypes, as this process knows them."""

    def __init__(self, rows: TokenRows, clock: Clock) -> None:
        self._rows = rows
        self._clock = clock
        self._starts: dict[str, _Starts] = {}

    def known_wait(self, event_type: str, most: int) -> float | None:
        """Seconds to wait, if it is known without asking that there is no token; None: there may be one."""
        starts = self._of(event_type, most)
        now = self._clock.monotonic()
        spare = starts.tokens and now < starts.good_until
        return starts.wait(now) if now < starts.empty_until and not spare else None

    async def take(self, event_type: str, most: int) -> float | None:
        """None: one may start. Else the seconds after which to ask again. Raises `Unavailable`."""
        starts = self._of(event_type, most)
        starts.waiting += 1
        try:
            async with starts.lock:
                now = self._clock.monotonic()
                if starts.use_one(now):
                    return None
                if now < starts.empty_until:
                    return starts.wait(now)
                return await self._ask(event_type, starts)
        finally:
            starts.waiting -= 1

    async def next_in(self, event_type: str, most: int) -> float:
        """After how many seconds one may start, 0 when one may now. Takes nothing. Costs a read."""
        starts = self._of(event_type, most)
        if starts.tokens and self._clock.monotonic() < starts.good_until:
            return 0.0
        return await self._rows.next_in(_bucket(event_type), starts.rate)

    def give_back(self, event_type: str, most: int) -> None:
        """The start came to nothing: the next one of this process, if it comes at once, needs no other token."""
        starts = self._of(event_type, most)
        now = self._clock.monotonic()
        starts.tokens = starts.tokens + 1 if now < starts.good_until else 1
        starts.good_until = now + SPARE_SECONDS

    async def _ask(self, event_type: str, starts: _Starts) -> float | None:
        grant = await self._rows.take(_bucket(event_type), starts.rate, starts.waiting)
        now = self._clock.monotonic()
        starts.empty_until = now + grant.next_in
        if not grant.tokens:
            return starts.wait(now)
        starts.tokens, starts.good_until = grant.tokens - 1, now + SPARE_SECONDS
        return None

    def _of(self, event_type: str, most: int) -> _Starts:
        rate = per_minute(most)
        starts = self._starts.get(event_type.casefold())
        if starts is None or starts.rate != rate:
            starts = self._starts[event_type.casefold()] = _Starts(rate)
        return starts


def _bucket(event_type: str) -> str:
    return f"event-type:{event_type.casefold()}"
