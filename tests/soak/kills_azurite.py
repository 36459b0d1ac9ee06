"""The same on Azurite, which is itself stopped and started meanwhile."""

from __future__ import annotations

from tests.kills.plan import Pace
from tests.kills.run import Run, carry_out
from tests.soak.kills import FALSE_STARTS, ROUND_SECONDS, rounds
from tests.soak.runs import Figures

PACE = Pace(targets={"sink": 3, "hub": 3, "hub and sink": 2, "storage, stopped": 4}, between_blows=(0.3, 8.0))


def run(seed: int, seconds: float) -> Figures:
    """Rounds until the time is over. Raises `Violation` with the seed of the round."""
    return rounds(
        seed, seconds, lambda seed, home: carry_out(Run(seed, ROUND_SECONDS, "azurite", PACE, FALSE_STARTS), home)
    )
