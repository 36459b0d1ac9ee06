"""A few threads for calls to the hub: made when needed, gone when idle, never in the way of the process's end."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Callable

log = logging.getLogger(__name__)

IDLE_SECONDS = 30.0
"""A thread without work for so long ends, so that an idle agent holds none."""


class Crew:
    """Runs what it is given on at most `most` threads, in the order it came."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0

    def submit(self, job: Callable[[], None]) -> None:
        """Run the job soon, on another thread."""
        with self._lock:
            self._work.put(job)
            if self._idle >= self._work.qsize() or self._threads >= self._most:
                return
            self._threads += 1
        threading.Thread(target=self._run, name="crew", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            try:
                job = self._work.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                if self._leave():
                    return
                continue
            with self._lock:
                self._idle -= 1
            try:
                job()
            except Exception:
                log.exception("a call failed in a way nobody expected")

    def _leave(self) -> bool:
        """End this thread, unless a job came while its patience ran out."""
        with self._lock:
            self._idle -= 1
            if not self._work.empty():
                return False
            self._threads -= 1
            return True
