"""A process that can be killed: from that moment on none of its code has any effect.

Nothing is unwound when a process is killed, so nothing is cancelled here either: whatever its code does next, it
comes to a storage operation or a network call, and never returns from it. The tasks are cancelled when the run is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Process:
    """One life of a hub or an agent."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.died = asyncio.Event()
        self._broken: BaseException | None = None
        self._limbo = asyncio.Event()
        """Never set: where the code of a dead process waits. It keeps the tasks from being collected as forgotten."""

    def kill(self) -> None:
        self.alive = False
        self.died.set()

    async def pass_on(self) -> None:
        """Returns at once while the process lives, and never afterwards."""
        if not self.alive:
            await self._limbo.wait()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run this in the process."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        return task

    def check(self) -> None:
        """Raises what one of its tasks raised and nobody handled."""
        if self._broken is not None:
            raise AssertionError(f"{self.name} is broken") from self._broken

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._broken = task.exception()
            self.kill()

    async def until_death(self, work: asyncio.Task[T]) -> T | None:
        """What the task of this process returns or raises, or None once the process is dead."""
        death = asyncio.create_task(self.died.wait())
        try:
            await asyncio.wait((work, death), return_when=asyncio.FIRST_COMPLETED)
        finally:
            death.cancel()
        return work.result() if work.done() and self.alive else None
