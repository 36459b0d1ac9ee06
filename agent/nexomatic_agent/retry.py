"""The one backoff of the agent: how long to wait after so many failures in a row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Optional

LONGEST_ASKED_SECONDS = 600.0
"""The longest wait a `Retry-After` can impose: a header gone wrong must not silence an agent for a day."""


@dataclass
class Backoff:
    """Waits that double from `first_seconds` to `most_seconds`, each shortened by up to a quarter at random.

    `draw` answers a number from 0 to 1; many agents that lost the same hub must not return in the same instant.
    """

    draw: Callable[[], float]
    first_seconds: float = 1.0
    most_seconds: float = 30.0
    _failures: int = field(default=0, init=False)

    def failed(self, asked_seconds: Optional[float] = None) -> float:
        """Count one failure; seconds to wait before the next try, at least what the far end asked for.

        It asks many at once, so that wait is lengthened by up to a quarter.
        """
        wait = min(self.most_seconds, self.first_seconds * 2.0 ** min(self._failures, 16))
        self._failures += 1
        wait *= 0.75 + self.draw() / 4
        return max(wait, min(asked_seconds or 0.0, LONGEST_ASKED_SECONDS) * (1 + self.draw() / 4))

    def succeeded(self) -> None:
        """Start over: the next failure waits `first_seconds`."""
        self._failures = 0
