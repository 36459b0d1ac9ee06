"""Ends the process when an invocation outlives `functionTimeout`, and with it all others: that is what Azure does.

It is a thread, because a handler that blocks the event loop is what it is there for.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping

EXIT_STATUS = 3

_logger = logging.getLogger("Host.Startup")


def end_process() -> None:
    """Leave at once, without waiting for threads or tasks: whoever supervises this process starts it again."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(EXIT_STATUS)


class Watchdog:
    """Looks after invocations: `started` is monotonic seconds and a function's name for each that runs."""

    def __init__(
        self,
        started: Mapping[int, tuple[float, str]],
        timeout: float,
        end: Callable[[], None] = end_process,
    ) -> None:
        self._started = started
        self._timeout = timeout
        self._end = end
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="function-timeout", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def overdue(self, now: float) -> str | None:
        """The name of a function that has run too long at monotonic time `now`."""
        for began, function in list(self._started.values()):  # a copy: the event loop changes it meanwhile
            if now - began > self._timeout:
                return function
        return None

    def _watch(self) -> None:
        while not self._stopped.wait(min(1.0, self._timeout / 4)):
            if function := self.overdue(time.monotonic()):
                _logger.error(
                    "Timeout value of %g s exceeded by function 'Functions.%s': ending the process, as the worker's is",
                    self._timeout,
                    function,
                )
                self._end()
                return
