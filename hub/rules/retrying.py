"""Whether a failed attempt is tried again, and after how long. Pure: the random number comes in.

What becomes of a lost attempt is decided in `lifecycle.py`: nothing is known against the work itself then, so there is
no back-off to compute.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from hub.model.configuration import RetryPolicy


class Reason(StrEnum):
    """Why there is no further attempt. The values are made to be read in an event's explanation."""

    ATTEMPTS_SPENT = "all attempts that the retry policy allows were made"
    CODE_NOT_LISTED = "the retry policy does not list this result code"


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again, not before so many seconds from now."""

    delay_seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The event ends here."""

    reason: Reason


Decision: TypeAlias = Retry | GiveUp


def decide(policy: RetryPolicy, *, failures: int, code: str | None, fraction: float) -> Decision:
    """What follows an attempt that ended in ERROR. SUCCESS and WARNING are never asked about: they are final.

    `failures` counts the attempts that ended in ERROR, this one included; `code` is this one's result code;
    `fraction` is random, from 0 up to but not including 1.
    """
    if policy.on_codes is not None and code not in policy.on_codes:
        return GiveUp(Reason.CODE_NOT_LISTED)
    if failures >= policy.max_attempts:
        return GiveUp(Reason.ATTEMPTS_SPENT)
    return Retry(delay_seconds(policy, failures, fraction))


def delay_seconds(policy: RetryPolicy, failures: int, fraction: float) -> float:
    """`backoff_seconds × factor^(failures - 1)`, spread by `jitter` to either side, between 0 and the maximum."""
    longest = float(policy.max_backoff_seconds)
    grown = min(longest, _grown(policy, failures - 1, longest))
    spread = 1 + policy.jitter * (2 * fraction - 1)
    return max(0.0, min(longest, grown * spread))


def _grown(policy: RetryPolicy, times: int, longest: float) -> float:
    if not policy.backoff_seconds:
        return 0.0
    try:
        return float(policy.backoff_seconds) * float(policy.factor) ** times
    except OverflowError:
        return longest
