"""Callers that wait for the end of an event: woken at once when it ends in this process, else by looking now and then.

Each holds a request open, as a poll does, and counts as one.
"""

from __future__ import annotations

import asyncio
from typing import Final

from hub.errors import Missing, Unavailable
from hub.held_requests import HeldForNews, HeldRequests, news_within
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
        self._waiting = HeldForNews(held)

    def ended(self, event_id: str) -> None:
        """An event has become final in this process."""
        self._waiting.tell(event_id)

    async def end_of(self, event: Event, seconds: float) -> Event:
        """The event once it has ended, or as it stands when the time is over or this process leaves.

        At once, as it was given, when this process holds as many requests as it may.
        """
        if event.state.final or seconds <= 0 or self._held.full:
            return event
        with self._waiting.of(event.id) as news:
            return await self._wait(event, news, asyncio.get_running_loop().time() + seconds)

    async def _wait(self, event: Event, news: asyncio.Event, until: float) -> Event:
        loop, pause = asyncio.get_running_loop(), FIRST_LOOK_SECONDS
        while True:
            await news_within(news, min(pause, until - loop.time()))
            try:
                event = (await self._life.events.get(event.id)).event
            except Missing:
                return event  # retention has taken it
            except Unavailable:
                pass  # the event goes on without us: look again
            if event.state.final or self._held.leaving or loop.time() >= until:
                return event
            pause = min(LOOK_SECONDS, pause * 2)
