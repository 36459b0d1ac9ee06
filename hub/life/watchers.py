"""Requests that are held open until what they ask for has changed: woken when it changes in this process.

What changes in another process they find by looking now and then. Each is a request held open, as a poll is, and
counts as one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from hub.held_requests import HeldForNews, HeldRequests

ALL: Final = "*"
"""What is told of every event's changes."""


class Watchers:
    """One per process. All of it happens on the event loop."""

    def __init__(self, held: HeldRequests) -> None:
        self._held = held
        self._waiting = HeldForNews(held)

    @property
    def leaving(self) -> bool:
        """Whether this process is about to stop: whoever watches is answered as it stands."""
        return self._held.leaving

    def changed(self, event_id: str) -> None:
        """An event was created, or its row says something else now."""
        self._waiting.tell(event_id)
        self._waiting.tell(ALL)

    def logged(self, event_id: str) -> None:
        """There is more of an event's log."""
        self._waiting.tell(event_id)

    @contextmanager
    def watching(self, what: str) -> Iterator[asyncio.Event | None]:
        """Set whenever this event (or `ALL`, any) changes. None: this process holds as many requests as it may."""
        if self._held.full:
            yield None
            return
        with self._waiting.of(what) as news:
            yield news
