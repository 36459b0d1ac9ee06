"""Whether the hub answers: said once when it stops and once when it does again, not at every try."""

from __future__ import annotations

import logging
import threading
from typing import Callable

from nexomatic_agent.answers import HubError

log = logging.getLogger(__name__)

MOST_KINDS = 5
"""So many sorts of failure are said of one outage; a network can be broken in more ways than anybody wants to read."""


class HubWatch:
    """Told of the outcome of every call of one sort, `what`, by all who make it.

    An outage begins with the first call that fails and ends when none of those that failed is still without an answer:
    while the hub answers one task and not another, it is not said to be away and back at every call.
    """

    def __init__(self, what: str, clock: Callable[[], float]) -> None:
        self._what = what
        self._clock = clock
        self._lock = threading.Lock()
        self._failing: set[str] = set()
        self._kinds: set[str] = set()
        self._since = 0.0

    def failed(self, error: HubError, call: str = "") -> None:
        """This call failed, and will be made again. Logged if it is the first, or the first of its kind."""
        with self._lock:
            if not self._failing:
                self._since = self._clock()
                self._kinds.clear()
            self._failing.add(call)
            new = error.kind not in self._kinds and len(self._kinds) < MOST_KINDS
            if new:
                self._kinds.add(error.kind)
        (log.warning if new else log.debug)("%s: no success: %s", self._what, error)

    def succeeded(self, *calls: str) -> None:
        """These calls were answered, or will not be made again; none named: the only one there is."""
        if not self._failing:
            return
        with self._lock:
            failing = len(self._failing)
            self._failing.difference_update(calls or ("",))
            over = bool(failing) and not self._failing
            lasted = self._clock() - self._since
        if over:
            log.info("%s: the hub answers again, after %.0f s", self._what, lasted)
