"""kill -9 of sink, hub and supervisor, again and again under load, on the embedded engine."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.kills.plan import Pace
from tests.kills.run import Run, carry_out
from tests.soak.runs import Figures

PACE = Pace(targets={"sink": 4, "hub": 4, "hub and sink": 2, "all": 1}, between_blows=(0.3, 7.0))
FALSE_STARTS = 3
ROUND_SECONDS = 60.0
"""Of load, in one platform's life; after that everything is counted, and another begins."""


def run(seed: int, seconds: float) -> Figures:
    """Rounds on platforms of their own until the time is over. Raises `Violation` with the seed of the round."""
    return rounds(
        seed, seconds, lambda seed, home: carry_out(Run(seed, ROUND_SECONDS, "embedded", PACE, FALSE_STARTS), home)
    )


def rounds(seed: int, seconds: float, one: Callable[[int, Path], Figures]) -> Figures:
    """The figures of all rounds: the largest of what is called longest or most, the sum of everything else."""
    until = time.monotonic() + seconds
    total: dict[str, float] = {"rounds": 0}
    while not total["rounds"] or time.monotonic() < until:
        with tempfile.TemporaryDirectory(prefix="nexomatic-kills-") as folder:
            figures = one(seed * 1000 + int(total["rounds"]), Path(folder) / "home")
        total["rounds"] += 1
        for name, value in figures.items():
            largest = name.startswith(("longest", "most"))
            total[name] = max(total.get(name, 0), value) if largest else total.get(name, 0) + value
    return total
