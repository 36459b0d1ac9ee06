"""Sweep: removes receipts and deliveries whose time is over, a bounded number at each step.

It keeps no mark of how far it came: which part of the rows a step looks at follows from the clock and from chance, so
that any number of processes may do it, and one that is started anew every few minutes comes everywhere too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from hub.clock import Clock
from hub.storage import delivery_rows, receipt_rows
from hub.storage.delivery_rows import DeliveryRows
from hub.storage.keys import REQUESTS
from hub.storage.ports import Blobs
from hub.storage.receipt_rows import Expired, ReceiptRows, day_of

PAGES_A_STEP: Final = 5
PAGE: Final = 1000
OLDEST_DAYS: Final = 400
"""So far back beyond their time receipts are sought: a hub that was off for a year cleans up after itself."""


class Sweep:
    """Removes what is out of its time."""

    def __init__(
        self,
        receipts: ReceiptRows,
        deliveries: DeliveryRows,
        blobs: Blobs,
        clock: Clock,
        randomness: Callable[[], int],
        keep_receipts: timedelta,
    ) -> None:
        self._receipts = receipts
        self._deliveries = deliveries
        self._blobs = blobs
        self._clock = clock
        self._randomness = randomness
        self._keep_receipts = keep_receipts

    async def step(self) -> int:
        """How many rows were removed. Costs three reads when there is nothing to do."""
        minute = int(self._clock.now().timestamp()) // 60
        over = day_of(self._clock.now() - self._keep_receipts) - 1
        part = receipt_rows.SPREAD[minute % len(receipt_rows.SPREAD)]
        longer_over = over - 1 - minute // len(receipt_rows.SPREAD) % OLDEST_DAYS
        removed = await self._day(over, part)
        removed += await self._day(longer_over, part)
        return removed + await self._old_deliveries(delivery_rows.SPREAD[minute % len(delivery_rows.SPREAD)])

    async def _day(self, day: int, part: str) -> int:
        removed = 0
        for _ in range(PAGES_A_STEP):
            rows = await self._receipts.expired(day, part, PAGE)
            for row in rows:
                await self._remove_body(row)
            await self._receipts.remove(day, part, rows)
            removed += len(rows)
            if len(rows) < PAGE:
                break
        return removed

    async def _remove_body(self, row: Expired) -> None:
        # The blob first: a crash between leaves a row that the next step finds again.
        if row.blob:
            await self._blobs.delete(REQUESTS, row.blob)

    async def _old_deliveries(self, part: str) -> int:
        """The first page, and when there are more, some from anywhere: what lies behind rows that stay has its turn."""
        now, removed, after = self._clock.now(), 0, part
        for number in range(PAGES_A_STEP):
            rows = await self._deliveries.page(part, after=after, limit=PAGE)
            old = [row for row in rows if row.expires_at <= now]
            await self._deliveries.remove(part, old)
            removed += len(old)
            if len(rows) < PAGE:
                break
            after = rows[-1].key if number else f"{part}{self._randomness() & 0xFFFFFFFF:08x}"
        return removed
