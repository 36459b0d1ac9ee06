"""Backups under load, again and again, and the last one restored into a fresh home where everything goes on."""

from __future__ import annotations

from tests.kills.plan import Pace
from tests.kills.restoring import Run, carry_out
from tests.soak.kills import rounds
from tests.soak.runs import Figures

PACE = Pace(targets={}, between_blows=(1.0, 1.0))
FIRE_SECONDS = 30.0
BACKUPS = 10


def run(seed: int, seconds: float) -> Figures:
    """Rounds on platforms of their own until the time is over. Raises `Violation` with the seed of the round."""
    return rounds(seed, seconds, lambda number, home: carry_out(Run(number, FIRE_SECONDS, PACE, BACKUPS), home))
