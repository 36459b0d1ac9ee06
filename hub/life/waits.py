"""Callers that wait for the end of an event: woken at once when it ends in this process, else by looking now and then.

Each holds a request open, as a poll does, and counts as one.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from hub.errors import Missing, Unavailable
from hub.held_requests import HeldRequests
from hub.life.context import LifeContext
from hub.model.event import Event

FIRST_LOOK_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 5.0
"""Between two looks at the row: one second, then twice as long each time up to this."""


class Waits:
    """Holds requests until their event has ended. One per process."""

    def __init__(self, context: LifeContext, held: HeldRequests) -> None:
        self._life = context
        self._held = held
        self._waiting: dict[str, list[asyncio.Event]] = {}

    def ended(self, event_id: str) -> None:
        """An event has become final in this process."""
        for waiting in self._waiting.get(event_id, ()):
            waiting.set()

    async def end_of(self, event: Event, seconds: float) -> Event:
        """The event once it has ended, or as it stands when the time is over or this process leaves.

        At once, as it was given, when this process holds as many requests as it may.
        """
        if event.state.final or seconds <= 0 or self._held.full:
            return event
        news = asyncio.Event()
        self._waiting.setdefault(event.id, []).append(news)
        try:
            with self._held.one(news.set):
                return await self._wait(event, news, asyncio.get_running_loop().time() + seconds)
        finally:
            self._waiting[event.id].remove(news)
            if not self._waiting[event.id]:
                del self._waiting[event.id]

    async def _wait(self, event: Event, news: asyncio.Event, until: float) -> Event:
        loop, pause = asyncio.get_running_loop(), FIRST_LOOK_SECONDS
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(min(until, loop.time() + pause)):
                    await news.wait()
            news.clear()
            try:
                event = (await self._life.events.get(event.id)).event
            except Missing:
                return event  # retention has taken it
            except Unavailable:
                pass  # the event goes on without us: look again
            if event.state.final or self._held.leaving or loop.time() >= until:
                return event
            pause = min(LOOK_SECONDS, pause * 2)
