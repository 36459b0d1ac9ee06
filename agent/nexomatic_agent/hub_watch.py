"""Whether the hub answers one kind of call: said once when it stops and once when it does again, not at every try."""

from __future__ import annotations

import logging
import threading
from typing import Callable, Optional

log = logging.getLogger(__name__)


class HubWatch:
    """Told of the outcome of every call of one kind, `what`, by all who make it."""

    def __init__(self, what: str, clock: Callable[[], float]) -> None:
        self._what = what
        self._clock = clock
        self._lock = threading.Lock()
        self._since: Optional[float] = None
        self._said: Optional[str] = None

    def failed(self, words: str) -> None:
        """A call failed. Logged if it is the first, or fails in another way than the one before."""
        with self._lock:
            new, self._said = words != self._said, words
            if self._since is None:
                self._since = self._clock()
        (log.warning if new else log.debug)("%s: no success: %s", self._what, words)

    def succeeded(self) -> None:
        """A call was answered."""
        if self._since is None:
            return
        with self._lock:
            since, self._since, self._said = self._since, None, None
        if since is not None:
            log.info("%s: the hub answers again, after %.0f s", self._what, self._clock() - since)
