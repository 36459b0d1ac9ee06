"""One of something for each event loop. A host has one loop; tests have one after the other.

Not a weak dictionary: what is kept holds its loop by some task or lock, so that neither would ever be let go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """What belongs to loops that are closed is forgotten when something is kept for the next."""

    def __init__(self) -> None:
        self._kept: dict[asyncio.AbstractEventLoop, T] = {}

    def __iter__(self) -> Iterator[T]:
        return iter(self._kept.values())

    def get(self) -> T | None:
        """Of the running loop; None if nothing was kept. Raises `RuntimeError` outside of a loop."""
        return self._kept.get(asyncio.get_running_loop())

    def keep(self, what: T) -> T:
        """For the running loop, in the place of what was kept before."""
        for loop in [each for each in self._kept if each.is_closed()]:
            del self._kept[loop]
        self._kept[asyncio.get_running_loop()] = what
        return what

    def forget(self) -> T | None:
        """Of the running loop; answers what was kept."""
        return self._kept.pop(asyncio.get_running_loop(), None)
