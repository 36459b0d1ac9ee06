"""Which queue is asked next: the pool's own, or the overflow beside it where EventTypes that flood the pool wait.

While the overflow holds something the two take turns in being asked first, and who is second gets what is left of the
free slots; the pool's own queue, once found empty, is asked ten times a second at most. Else the overflow is looked at
every five seconds. So neither costs much while only the other is in use.
"""

from __future__ import annotations

from typing import Final

from hub.storage import keys

LOOK_SECONDS: Final = 5.0
"""Between two looks at an overflow that was empty."""
MAIN_SECONDS: Final = 0.1
"""Between two looks at a pool's own queue that was empty, while the overflow holds something."""


class Lanes:
    """The two queues of a pool, as this process last saw them."""

    def __init__(self, main: str) -> None:
        self.main: Final = main
        self.overflow: Final = keys.overflow_of(main)
        self._holds = False
        """The overflow held something when last heard of."""
        self._main_full = False
        """The pool's own queue last gave as much as was asked for, so that nothing was left for the overflow."""
        self._main_empty_until: float | None = None
        """Not asked before, unless this process puts something there."""
        self._looked_at: float | None = None
        self._overflow_first = False

    def turns(self, now: float) -> tuple[str, ...]:
        """The queues to ask, in this order, at this time of the event loop."""
        if self._holds:
            if self._main_empty_until is not None and now < self._main_empty_until:
                self._overflow_first = False
                return (self.overflow,)
            self._overflow_first = not self._overflow_first
        elif self._looked_at is not None and now - self._looked_at < LOOK_SECONDS:
            return (self.main,)
        else:
            # The very first time an event that was just created goes first: it waits for nothing.
            self._overflow_first = self._main_full and self._looked_at is not None
        self._looked_at = now
        return (self.overflow, self.main) if self._overflow_first else (self.main, self.overflow)

    def looked(self, queue: str, now: float, *, full: bool, empty: bool) -> None:
        """What asking gave: as much as was asked for, or nothing."""
        if queue == self.main:
            self._main_full = full
            self._main_empty_until = now + MAIN_SECONDS if empty else None
        else:
            self._holds = not empty

    def put(self, queue: str) -> None:
        """A message was put on one of them by this process."""
        if queue == self.overflow:
            self._holds = True
        else:
            self._main_empty_until = None
