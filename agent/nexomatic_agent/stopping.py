"""Stopping a task's process: interrupt, grace, kill. Asked for before, while or after the process runs."""

from __future__ import annotations

import threading
from typing import Callable, Optional, Protocol

from nexomatic_agent.intents import StopReason


class Stoppable(Protocol):
    """A process tree, as far as stopping goes."""

    def interrupt(self) -> None: ...

    def kill(self) -> None: ...


class Stopper:
    """Remembers that and why a task is to stop, and does it to its process once there is one.

    `later` calls a function after so many seconds.
    """

    def __init__(self, grace_seconds: float, later: Callable[[float, Callable[[], None]], None]) -> None:
        self._grace_seconds = grace_seconds
        self._later = later
        self._lock = threading.Lock()
        self._process: Optional[Stoppable] = None
        self._reason: Optional[StopReason] = None

    @property
    def reason(self) -> Optional[StopReason]:
        """Why the task was asked to stop first; None while it was not."""
        return self._reason

    def attach(self, process: Stoppable) -> None:
        """This process runs the task."""
        with self._lock:
            self._process = process
            asked = self._reason is not None
        if asked:
            self._stop(process)

    def stop(self, reason: StopReason) -> None:
        """Stop the task. Saying it again changes nothing."""
        with self._lock:
            if self._reason is not None:
                return
            self._reason = reason
            process = self._process
        if process is not None:
            self._stop(process)

    def _stop(self, process: Stoppable) -> None:
        process.interrupt()
        self._later(self._grace_seconds, process.kill)
