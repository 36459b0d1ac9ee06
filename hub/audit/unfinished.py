"""Attempts whose process ended before their entry was written: it is written for them, with the result UNKNOWN.

Looked at by the timer. What was intended lies beside the chain, and is removed when the chain has an entry of it: so an
attempt that has one costs nobody an operation of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from hub.audit.chain import PeopleChain
from hub.audit.wanted import CLOCKS_APART, UNREADABLE, read
from hub.clock import Clock
from hub.model.audit import PEOPLE, Result
from hub.storage.audit_rows import AuditRows, Pending, partition_of

log = logging.getLogger(__name__)

EVERY: Final = timedelta(minutes=10)
"""Between two looks of one process. A look is one operation when there is nothing."""
GIVEN_UP_AFTER: Final = timedelta(minutes=10)
"""A request is answered, or cut off by the host, long before."""
MOST_A_STEP: Final = 500
SAID_NOTHING: Final = "the process ended before it could say how this ended"


class Unfinished:
    """Finishes a bounded number at each step. Any number of processes may do so at once."""

    def __init__(self, rows: AuditRows, chain: PeopleChain, clock: Clock) -> None:
        self._rows = rows
        self._chain = chain
        self._clock = clock
        self._next: datetime | None = None

    async def step(self) -> int:
        """How many entries were written."""
        now = self._clock.now()
        if self._next is not None and now < self._next:
            return 0
        begun = await self._rows.pending(now - GIVEN_UP_AFTER, MOST_A_STEP)
        ended = await self._ended(begun) if begun else set()
        lost = [each for each in begun if each.entry.id not in ended]
        for each in lost:
            unknown = {"result": Result.UNKNOWN, "reason": SAID_NOTHING}
            await self._chain.append(each.entry.model_copy(update=unknown))
            await self._rows.forget([each])
            log.warning("the audit says of %s %s that its end is unknown", each.entry.action, each.entry.resource)
        await self._rows.forget([each for each in begun if each.entry.id in ended])
        if len(begun) < MOST_A_STEP:
            self._next = now + EVERY
        return len(lost)

    async def _ended(self, begun: Sequence[Pending]) -> set[str]:
        """Those of which the chain has an entry, as far back as the oldest of them may have been added."""
        sought = {each.entry.id for each in begun}
        oldest = min(each.entry.at for each in begun) - CLOCKS_APART
        found: set[str] = set()
        head = await self._rows.head()
        for number in range(partition_of(max(1, head.point.seq)), -1, -1):
            for link in await self._rows.page(number):
                entry = read(PEOPLE, link, self._clock.now()).entry
                if entry.action != UNREADABLE and entry.at < oldest:
                    return found & sought
                found.add(entry.id)
        return found & sought
