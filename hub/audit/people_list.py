"""What people did, as a list: the newest first, a bounded number of rows for one answer."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from hub.audit.wanted import CLOCKS_APART, AuditPage, Told, Wanted, read
from hub.clock import Clock
from hub.model.audit import PEOPLE
from hub.storage.audit_rows import A_PARTITION, AuditRows, partition_of

MOST_ROWS: Final = 2000
MOST_SECONDS: Final = 1.0


class PeopleList:
    """Reads the chain."""

    def __init__(self, rows: AuditRows, clock: Clock) -> None:
        self._rows = rows
        self._clock = clock

    async def page(self, wanted: Wanted, *, after: str | None, limit: int) -> AuditPage:
        """At most `limit` entries that were added before the place `after`. Raises `Unavailable`."""
        ends_at = self._clock.monotonic() + MOST_SECONDS
        below = int(after) if after else await self._begin(wanted)
        found: list[Told] = []
        seen, at = 0, self._clock.now()
        while below > 1:
            number = partition_of(below - 1)
            asked = min(limit, A_PARTITION) if wanted.everything else A_PARTITION
            links = await self._rows.page(number, below=below, limit=asked)
            for link in links:
                told = read(PEOPLE, link, at)
                below, at = link.seq, told.entry.at
                if wanted.is_over(told.entry):
                    return AuditPage(found)
                if wanted.fits(told.entry):
                    found.append(told)
                    if len(found) == limit:
                        return AuditPage(found, str(below), at)
            if len(links) < asked:
                below = number * A_PARTITION + 1
            seen += len(links) or 1
            if seen >= MOST_ROWS or self._clock.monotonic() >= ends_at:
                break
        return AuditPage(found, str(below), at) if below > 1 else AuditPage(found)

    async def _begin(self, wanted: Wanted) -> int:
        """Before which place to look: the end, or the first partition that begins after what is wanted."""
        head = await self._rows.head()
        below = head.point.seq + 1
        if wanted.end is None:
            return below
        low, high = 0, partition_of(below)  # the answer is in one of these; every second step reads one entry
        while low < high:
            middle = (low + high) // 2
            if await self._begins_before(middle + 1, wanted.end):
                low = middle + 1
            else:
                high = middle
        return min(below, (low + 1) * A_PARTITION + 1)

    async def _begins_before(self, number: int, end: datetime) -> bool:
        """Whether a partition has an entry that may be wanted: by its first one."""
        link = await self._rows.get(number * A_PARTITION + 1)
        if link is None:
            return False
        return read(PEOPLE, link, self._clock.now()).entry.at < end + CLOCKS_APART
