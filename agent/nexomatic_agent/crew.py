"""A few threads for calls to the hub: made when needed, gone when idle, never in the way of the process's end."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from typing import Callable

log = logging.getLogger(__name__)

IDLE_SECONDS = 10.0
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
        """Run the job soon, on another thread; on this one if there is no other and none can be started."""
        with self._lock:
            self._work.put(job)
            if self._idle >= self._work.qsize() or self._threads >= self._most:
                return
            self._threads += 1
        try:
            threading.Thread(target=self._run, name="crew", daemon=True).start()
        except RuntimeError as error:
            with self._lock:
                self._threads -= 1
                alone = self._threads == 0
            if alone:
                log.warning("no thread can be started for calls to the hub: %s", error)
                self._work_off()

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
            _do(job)
            del job  # with all it holds, which an idle thread would keep

    def _work_off(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                _do(self._work.get_nowait())

    def _leave(self) -> bool:
        """End this thread, unless a job came while its patience ran out."""
        with self._lock:
            self._idle -= 1
            if not self._work.empty():
                return False
            self._threads -= 1
            return True


def _do(job: Callable[[], None]) -> None:
    try:
        job()
    except Exception:
        log.exception("a call failed in a way nobody expected")
