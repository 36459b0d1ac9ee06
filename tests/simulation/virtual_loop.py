"""An event loop whose time is a number: waiting costs nothing, and the same seed gives the same run.

Whoever waits is woken in the order of the times waited for; when nobody is ready the time jumps to the next one.
Clocks of hubs are this time plus an offset, since no two machines agree.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH = datetime(2031, 3, 3, 6, 0, tzinfo=UTC)
"""What time it is when a simulation begins. Not on a boundary of anything but the hour."""
_READY_ROUNDS_AT_ONE_TIME = 100_000


class Stuck(Exception):
    """Everybody waits and nothing is due, or somebody is busy for ever without time passing."""


class _Jump(selectors.SelectSelector):
    """Instead of waiting for sockets it moves the time on: there are none in a simulation."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.rounds = 0
        """How often in a row somebody was ready without time passing."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Stuck("everybody waits and nothing is due")
        if timeout > 0:
            self.now += timeout
            self.rounds = 0
            return []
        self.rounds += 1
        if self.rounds > _READY_ROUNDS_AT_ONE_TIME:
            raise Stuck(f"somebody is busy for ever at {self.now:.3f} s")
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs coroutines on virtual time, which begins at 0 s."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run to the end, then cancel what is left. Raises `Stuck`."""
        try:
            return self.run_until_complete(main)
        finally:
            try:
                self._cancel_everybody()
            finally:
                self.close()

    def _cancel_everybody(self) -> None:
        for _ in range(100):
            left = asyncio.all_tasks(self)
            if not left:
                return
            for task in left:
                task.cancel()
            self._jump.rounds = 0
            self.run_until_complete(asyncio.sleep(0))
        raise Stuck(f"will not be cancelled: {asyncio.all_tasks(self)}")


class VirtualClock:
    """A machine's clock, so many seconds ahead of the loop's. A `hub.clock.Clock`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, offset_seconds: float = 0.0) -> None:
        self._loop = loop
        self._begins = EPOCH + timedelta(seconds=offset_seconds)

    def now(self) -> datetime:
        return self._begins + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        return self._loop.time()


def seconds_at(moment: datetime) -> float:
    """When that is on the loop's time."""
    return (moment - EPOCH).total_seconds()
