"""What was read is remembered for a while: many who ask for the same share one read, and its error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from hub.clock import Clock
from hub.errors import Missing

MISSING_SECONDS: Final = 5.0
"""How long what is not there stays unknown: whoever puts it through another process waits no longer."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    found: T | Missing
    until: float


class Memory(Generic[T]):
    """Remembers answers for so many seconds, and that something is `Missing`; other errors are not remembered."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._kept: dict[str, _Kept[T]] = {}
        self._flights: dict[str, asyncio.Task[T]] = {}

    async def get(self, key: str, read: Callable[[], Awaitable[T]]) -> T:
        """What is remembered, or else what `read` answers. Raises what it raises."""
        kept = self._kept.get(key)
        if kept is not None and self._clock.monotonic() < kept.until:
            return _said(kept.found)
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(self._read(key, read), name="read what is remembered")
            flight.add_done_callback(lambda done: self._landed(key, done))
        # Shielded: who is cancelled while waiting does not take the answer away from the others.
        return await asyncio.shield(flight)

    def forget(self, key: str) -> None:
        """It has changed, or may have: the next to ask is given what stands then."""
        self._kept.pop(key, None)
        self._flights.pop(key, None)

    async def _read(self, key: str, read: Callable[[], Awaitable[T]]) -> T:
        began = self._clock.monotonic()
        try:
            found = await read()
        except Missing as error:
            self._keep(key, _Kept(error, began + min(MISSING_SECONDS, self._seconds)))
            raise
        self._keep(key, _Kept(found, began + self._seconds))
        return found

    def _keep(self, key: str, kept: _Kept[T]) -> None:
        if self._flights.get(key) is not asyncio.current_task():
            return  # it began before a change through this process, and may not show it
        now = self._clock.monotonic()
        self._kept = {each: known for each, known in self._kept.items() if known.until > now}
        self._kept[key] = kept

    def _landed(self, key: str, flight: asyncio.Task[T]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


def _said(found: T | Missing) -> T:
    if isinstance(found, Missing):
        raise type(found)(str(found))
    return found
