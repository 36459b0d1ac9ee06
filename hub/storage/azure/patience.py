"""How long storage may keep us waiting."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Patience:
    """Time limits in seconds. The SDKs' own would keep a caller waiting for minutes before anybody hears of a fault.

    `budget_seconds` is for one operation with all its attempts and pauses. A call of a port is one operation, but for a
    query (one a page) and the first put to a queue (three: it makes the queue). `connect_seconds` and `read_seconds`
    are for one attempt: until connected, and until the next byte.
    """

    connect_seconds: float = 2.0
    read_seconds: float = 10.0
    budget_seconds: float = 20.0
    first_pause_seconds: float = 0.1
    longest_pause_seconds: float = 4.0

    def pause_seconds(self, attempt: int, asked_seconds: float | None, rng: Random) -> float:
        """How long to wait after this attempt, the first being 0: as the service asked, else doubling, with jitter."""
        if asked_seconds is not None:
            return asked_seconds
        longest = min(self.longest_pause_seconds, self.first_pause_seconds * 2.0 ** min(attempt, 30))
        return rng.uniform(longest / 2, longest)
