"""A caller that posts to a webhook at an even pace, and how long it waited."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import requests


@dataclass
class Caller:
    """Posts for as long as its block runs."""

    url: str
    per_second: float = 50.0
    waits: list[float] = field(default_factory=list)
    """Milliseconds."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _error: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._post_for_ever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join()
        self._check()

    def has_yet(self, least: int, ends_at: float) -> bool:
        """Whether it was not answered so often yet, or the clock is not there yet. Raises what has stopped it."""
        self._check()
        return len(self.waits) < least or time.monotonic() < ends_at

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _post_for_ever(self) -> None:
        try:
            with requests.Session() as session:
                while not self._stop.is_set():
                    began = time.perf_counter()
                    answer = session.post(self.url, json={"n": len(self.waits)}, timeout=120)
                    self.waits.append((time.perf_counter() - began) * 1000)
                    assert answer.status_code == 202, f"{answer.status_code} {answer.text}"
                    self._stop.wait(max(0.0, 1 / self.per_second - (time.perf_counter() - began)))
        except BaseException as error:  # noqa: BLE001 - it belongs to who waits for this thread
            self._error = error


def percentiles(waits: Sequence[float]) -> tuple[float, float]:
    """The median and the 99th of a hundred."""
    cuts = statistics.quantiles(waits, n=100, method="inclusive")  # the other guesses beyond the longest
    return statistics.median(waits), cuts[98]
