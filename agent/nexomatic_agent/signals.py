"""Signals, and what the hub tells the process, as items of a queue.

A handler may run between any two steps of the main thread, so it only puts.
"""

from __future__ import annotations

import queue
import signal
from typing import Optional, Union


class Signals:
    """SIGTERM and SIGINT (on Windows also Ctrl-Break), in the order they came. Make it on the main thread."""

    def __init__(self) -> None:
        # Not threading.Event: its lock, which the main thread may hold in this very moment, is not reentrant.
        self._came: queue.SimpleQueue[Union[int, str]] = queue.SimpleQueue()
        for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
            number = getattr(signal, name, None)
            if number is not None:
                signal.signal(number, self._handle)

    def _handle(self, number: int, _: object) -> None:
        self._came.put(number)

    def tell(self, command: str) -> None:
        """The hub says that this process is to end. Any thread may call it."""
        self._came.put(command)

    def wait(self, seconds: Optional[float] = None) -> Optional[str]:
        """The next signal's name, or command; None if none came for so long."""
        try:
            came = self._came.get(timeout=seconds)
        except queue.Empty:
            return None
        return came if isinstance(came, str) else signal.Signals(came).name
