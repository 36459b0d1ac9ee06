"""A long backlog is worked off, each event once, with few hints. `tests/soak` does the same with ten thousand."""

from __future__ import annotations

from tests.life.backlog import wait_and_drain
from tests.soak.backlog import MOST_HINTS

EVENTS = 1_500


def test_a_backlog_of_two_months_drains_with_a_dozen_hints_each() -> None:
    hints = wait_and_drain(EVENTS)
    assert len(hints) == EVENTS
    assert max(hints.values()) <= MOST_HINTS
