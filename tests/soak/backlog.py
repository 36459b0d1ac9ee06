"""Ten thousand events that no sink exists for wait two simulated months, and all run when the first one comes.

The full size takes about three minutes of one core; with less time there are as many fewer events.
"""

from __future__ import annotations

from typing import Final

from tests.life.backlog import wait_and_drain
from tests.soak.runs import Figures, Violation

EVENTS: Final = 10_000
FULL_SECONDS: Final = 300.0
MOST_HINTS: Final = 12
"""How often an event may have been put on a queue in two months: the hints back off by powers of two."""


def run(seed: int, seconds: float) -> Figures:
    """The whole wait once. Nothing in it is left to chance, so the seed changes nothing. Raises `Violation`."""
    del seed
    events = max(100, int(EVENTS * min(1.0, seconds / FULL_SECONDS)))
    try:
        hints = wait_and_drain(events)
    except AssertionError as error:
        raise Violation(f"a backlog of {events} events was not worked off, each once: {error}") from error
    most = max(hints.values())
    if most > MOST_HINTS:
        raise Violation(f"an event was put on a queue {most} times in two months; {MOST_HINTS} at most")
    return {"events": events, "most hints for one event": most, "hints": hints.total()}
