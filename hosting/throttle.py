"""`maxConcurrentRequests` and `maxOutstandingRequests` of `extensions.http`: how many requests run, how many wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hosting.hostjson import HttpOptions


class TooManyRequests(Exception):
    """As many requests are here as the app's host.json allows: 429."""


class Throttle:
    """Counts the requests that are here, and lets only so many run at a time."""

    def __init__(self, options: HttpOptions) -> None:
        self._most = options.max_outstanding_requests
        concurrent = options.max_concurrent_requests
        self._running = asyncio.Semaphore(concurrent) if concurrent > 0 else None
        self._here = 0
        self.is_on = self._most >= 0 or self._running is not None

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place while a request is answered; raises TooManyRequests if there is none."""
        if 0 <= self._most <= self._here:
            raise TooManyRequests
        self._here += 1
        try:
            if self._running is None:
                yield
            else:
                async with self._running:
                    yield
        finally:
            self._here -= 1
