"""How far storage's clock is from ours, learned from the `Date` of its answers.

`Date` has whole seconds, cut off. An answer dated D, asked for at s and received at r (our clock), says that the
service's clock minus ours is at least D - r and at most D + 1 - s: off by half a second plus half the round trip at
worst. Answers whose seconds begin at different moments narrow that down, in practice to the round trip. An answer that
contradicts what is known means that a clock was set, and only that answer counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache

DRIFT = 0.001
"""How fast two clocks may part while they are being corrected: twice the usual limit of 500 parts per million."""

STALE_SECONDS = 0.05
"""Servers write the `Date` from a copy that they renew a moment after the second has turned."""


@dataclass(frozen=True, slots=True)
class Offset:
    """Storage's clock minus ours, in seconds: between `least` and `most` at the time `at` of ours."""

    least: float
    most: float
    at: float

    @property
    def estimate(self) -> float:
        return (self.least + self.most) / 2

    def narrowed(self, seen: Offset) -> Offset:
        """What is known after one more answer."""
        drifted = DRIFT * abs(seen.at - self.at)
        least = max(self.least - drifted, seen.least)
        most = min(self.most + drifted, seen.most)
        return Offset(least, most, seen.at) if least <= most else seen


def offset_in(date: datetime, sent: datetime, received: datetime) -> Offset:
    """What one answer says."""
    least = (date - received).total_seconds()
    most = (date - sent).total_seconds() + 1 + STALE_SECONDS
    return Offset(least, most, received.timestamp())


class ServiceClock:
    """The offset as it is known now."""

    def __init__(self) -> None:
        self._known: Offset | None = None

    def saw(self, date_header: str | None, sent: datetime, received: datetime) -> None:
        """Take an answer into account; one without a readable `Date` says nothing."""
        date = _parsed(date_header) if date_header else None
        if date is not None:
            seen = offset_in(date, sent, received)
            self._known = self._known.narrowed(seen) if self._known else seen

    def offset(self) -> timedelta:
        """Storage's clock minus ours; zero before the first answer."""
        return timedelta(seconds=self._known.estimate) if self._known else timedelta()


@lru_cache(maxsize=4)  # one second's answers carry one text
def _parsed(date_header: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(date_header)
    except ValueError:
        return None
    return date if date.tzinfo else None
