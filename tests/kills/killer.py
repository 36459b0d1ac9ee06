"""kill -9, at the moments of the plan."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

import psutil

from tests.e2e.local_platform import Platform
from tests.kills.plan import Blow

PARTS = {
    "sink": ("sink",),
    "hub": ("hub",),
    "hub and sink": ("hub", "sink"),
    "storage": ("azurite",),
    "storage, stopped": ("azurite",),
}
"""What each target hits; and `all`: the supervisor, whose death is that of all it runs."""


@dataclass
class Killer:
    """Carries a plan out on a running platform, on a thread of its own, until the `with` block is left."""

    platform: Platform
    plan: Iterator[Blow]
    struck: Counter[str] = field(default_factory=Counter)
    """How often each target was hit: a part that was between two lives was not."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _error: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="killer")
        self._thread.start()
        return self

    def __exit__(self, error: object, *_: object) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def _run(self) -> None:
        try:
            for blow in self.plan:
                if self._stop.wait(blow.wait):
                    return
                if self._strike(blow.target):
                    self.struck[blow.target] += 1
        except BaseException as error:  # noqa: BLE001  # told to whoever waits for this thread
            self._error = error

    def _strike(self, target: str) -> bool:
        """Whether anything was there to be hit."""
        if target == "all":
            self.platform.kill_all()
            self.platform.start()
            return True
        number = signal.SIGTERM if target == "storage, stopped" else signal.SIGKILL
        return sum(self._signal(part, number) for part in PARTS[target]) > 0  # all are hit, even if the first is away

    def _signal(self, part: str, number: int) -> bool:
        """Whether there was such a process. Never another with its number: it must be a child of the platform."""
        with suppress(OSError, KeyError, ValueError, psutil.Error):  # no ready.json, or not this part in it
            pid = self.platform.pid(part)
            for child in psutil.Process(self.platform.process_id).children():
                if child.pid == pid:
                    child.send_signal(number)
                    return True
        return False
