"""Another task beside the one that is tested, which tells whether it had its turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Ticker:
    """Counts its turns of the event loop."""

    def __init__(self) -> None:
        self.turns = 0

    async def run(self) -> None:
        while True:
            self.turns += 1
            await asyncio.sleep(0)


@asynccontextmanager
async def ticking() -> AsyncIterator[Ticker]:
    """One that has begun, and goes on while the block runs."""
    ticker = Ticker()
    running = asyncio.create_task(ticker.run())
    await asyncio.sleep(0)
    try:
        yield ticker
    finally:
        running.cancel()
