"""The requests that this process holds open: polls, callers that wait for an event's end, and those that follow live.

All of it happens on the event loop, so counting needs no lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class HeldRequests:
    """How many there are, and how many there may be. One per process."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.leaving = False
        """This process is about to stop: what is held is answered as it stands."""
        self._wakes: dict[object, Callable[[], None]] = {}

    @property
    def count(self) -> int:
        """How many requests are held at the moment."""
        return len(self._wakes)

    @property
    def full(self) -> bool:
        """Whether there are as many as there may be."""
        return len(self._wakes) >= self.most

    @contextmanager
    def one(self, wake: Callable[[], None]) -> Iterator[None]:
        """Within, a request is held. `wake` is called once this process is leaving: at once, if it is already."""
        token = object()
        self._wakes[token] = wake
        try:
            if self.leaving:
                wake()
            yield
        finally:
            del self._wakes[token]

    def let_go(self) -> None:
        """Have every request answered that is held, and those that come yet: this process is about to stop."""
        self.leaving = True
        for wake in list(self._wakes.values()):
            wake()


class HeldForNews:
    """Those that are held until there is news of something: by what that is."""

    def __init__(self, held: HeldRequests) -> None:
        self._held = held
        self.topics: dict[str, list[asyncio.Event]] = {}

    @contextmanager
    def of(self, topic: str) -> Iterator[asyncio.Event]:
        """Within, a request is held. It is set whenever there is news of this, and when this process is leaving."""
        news = asyncio.Event()
        self.topics.setdefault(topic, []).append(news)
        try:
            with self._held.one(news.set):
                yield news
        finally:
            self.topics[topic].remove(news)
            if not self.topics[topic]:
                del self.topics[topic]

    def tell(self, topic: str) -> None:
        """There is news of this."""
        for news in self.topics.get(topic, ()):
            news.set()


async def news_within(news: asyncio.Event, seconds: float) -> None:
    """Returns at the next news, or when the time is over."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await news.wait()
    news.clear()
