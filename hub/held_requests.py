"""The requests that this process holds open: polls, callers that wait for an event's end, and those that follow live.

All of it happens on the event loop, so counting needs no lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


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
