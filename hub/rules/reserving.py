"""How many tokens a process takes at a time from a bucket that it shares, and how long it may keep them. Pure.

Taking several at once saves operations. What a process holds unused is the error of it: held too long, the bucket has
filled up again meanwhile, and both lots pass; dropped, they are lost to everybody. So they are held no longer than a
tenth of the burst takes to flow in, and no more are taken than will probably be used by half that time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hub.rules.token_bucket import Rate

TOLERANCE: Final = 0.1
"""Of the burst: so much more, at the very most, passes in any stretch of time than one exact bucket would let pass."""
LONGEST_SECONDS: Final = 60.0
LOOK_AHEAD_SECONDS: Final = 2.0
LONGEST_REFUSAL_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Lot:
    """Tokens that were taken together, and how they fared."""

    size: int
    used: int
    seconds: float
    """From when they were taken until one more was wanted, or they had expired."""


def good_for_seconds(rate: Rate) -> float:
    """How long tokens may be held: until as many have flowed in as the tolerance is."""
    return min(LONGEST_SECONDS, TOLERANCE * rate.burst / rate.per_second)


def next_lot(rate: Rate, last: Lot | None) -> int:
    """How many to take, as the last lot went: what is likely to be used in time, at most twice as many as before."""
    if last is None:
        return 1
    if last.used < last.size:
        return max(1, last.used)
    ahead = min(LOOK_AHEAD_SECONDS, good_for_seconds(rate) / 2)
    likely = last.used * ahead / max(last.seconds, 1e-3)
    return max(1, int(min(likely, last.size * 2, TOLERANCE * rate.burst)))


def refused_for_seconds(rate: Rate, next_in: float) -> float:
    """How long to refuse without asking again, once the bucket was empty.

    At least until one token is there; and so long that a few are: many processes would else ask for each of them. Never
    so long that the bucket could fill up, which would lose tokens.
    """
    return max(next_in, min(LONGEST_REFUSAL_SECONDS, good_for_seconds(rate) / 2))
