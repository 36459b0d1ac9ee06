"""One thread that calls back at given times, for all tasks: renewals, chunks, time-outs, grace periods."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from typing import Callable

log = logging.getLogger(__name__)

Callback = Callable[[], None]


class Timer:
    """Calls what it is given, each at its time on the monotonic clock. A callback must be short, or hand over."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Callback]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="timer", daemon=True)
        self._thread.start()

    def at(self, when: float, callback: Callback) -> None:
        """Call back at this time, at once if it has passed. There is no taking back: a late call must be harmless."""
        with self._changed:
            heapq.heappush(self._due, (when, next(self._order), callback))
            if self._due[0][0] == when:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            callback = self._next()
            try:
                callback()
            except Exception:
                # One task's mistake must not take the clock from all the others.
                log.exception("a timed step failed")

    def _next(self) -> Callback:
        with self._changed:
            while True:
                if not self._due:
                    self._changed.wait()
                    continue
                wait = self._due[0][0] - self._clock()
                if wait <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait)
