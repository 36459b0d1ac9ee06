"""Signals as items of a queue: a handler may run between any two steps of the main thread, so it only puts."""

from __future__ import annotations

import queue
import signal
from typing import Optional


class Signals:
    """SIGTERM and SIGINT (on Windows also Ctrl-Break), in the order they came. Make it on the main thread."""

    def __init__(self) -> None:
        # Not threading.Event: its lock, which the main thread may hold in this very moment, is not reentrant.
        self._came: queue.SimpleQueue[int] = queue.SimpleQueue()
        for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
            number = getattr(signal, name, None)
            if number is not None:
                signal.signal(number, self._handle)

    def _handle(self, number: int, _: object) -> None:
        self._came.put(number)

    def wait(self, seconds: Optional[float] = None) -> Optional[str]:
        """The next signal's name; None if none came for so long."""
        try:
            return signal.Signals(self._came.get(timeout=seconds)).name
        except queue.Empty:
            return None
