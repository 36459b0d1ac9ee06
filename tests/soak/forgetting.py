"""Azurite killed hard under load: how much it forgets, and that the platform gets over it."""

from __future__ import annotations

from tests.kills.forgetting import measure
from tests.soak.kills import rounds
from tests.soak.runs import Figures


def run(seed: int, seconds: float) -> Figures:
    """One kill a round until the time is over. Raises `Violation` with the seed of the round."""
    return rounds(seed, seconds, measure)
