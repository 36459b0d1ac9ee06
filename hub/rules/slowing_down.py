"""How long somebody who guessed wrongly waits before the next guess counts. Pure."""

from __future__ import annotations

from dataclasses import dataclass

_STEEPEST = 30


@dataclass(frozen=True, slots=True)
class Slope:
    """So many wrong guesses are free; then 1, 2, 4 … seconds, up to a most. Nobody is ever locked out."""

    free: int
    most_seconds: float

    def wait_after(self, failures: int) -> float:
        """Seconds between the last of so many wrong guesses and the next."""
        if failures < self.free:
            return 0.0
        return min(self.most_seconds, float(2 ** min(failures - self.free, _STEEPEST)))
