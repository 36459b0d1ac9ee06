"""What a long run is: it gets a seed and so many seconds, and answers figures, or raises what it found.

One module a run, each with a function `run(seed, seconds)`. `make test` has a short run of each with a fixed seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Figures: TypeAlias = Mapping[str, float]
"""What was counted and measured, by a name that says its unit."""


class Violation(AssertionError):
    """A promise was broken. The message says which, and how to see it again."""


@dataclass(frozen=True, slots=True)
class LongRun:
    """One kind of long run."""

    name: str
    share: float
    """Of the time asked for, beside the shares of the others."""
    run: Callable[[int, float], Figures]
    """Takes a seed and seconds. Raises `Violation`."""
