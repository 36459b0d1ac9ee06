"""The arithmetic of a token bucket: how many may pass at a time. Pure: time comes in, state goes in and comes out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

MAX_CLOCK_DIFFERENCE = timedelta(seconds=60)
"""Clocks of two instances differ less than this; a bucket filled later than that in the future was filled by a clock
that has been set right since."""


_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Rate:
    """`limit` tokens come in `per_seconds`, evenly; at most `burst` lie ready.

    So in any t seconds at most burst + t × limit / per_seconds pass. Raises `ValueError` if nothing ever could.
    """

    limit: float
    per_seconds: float
    burst: float

    def __post_init__(self) -> None:
        if not (self.limit > 0 and self.per_seconds > 0 and self.burst >= 1):
            raise ValueError("a rate has a limit and a period above 0, and a burst of at least 1")

    @property
    def per_second(self) -> float:
        return self.limit / self.per_seconds


def per_minute(most: int) -> Rate:
    """The rate at which never more than `most` pass in any minute, and about as many do when more want to.

    A twelfth of them, five seconds' worth, may lie ready: who comes a little late would lose them otherwise. A burst
    comes on top of what flows in meanwhile, so that is a twelfth less at most.
    """
    burst = math.ceil(most / 12)
    return Rate(limit=most + 1 - burst, per_seconds=60, burst=burst)


@dataclass(frozen=True, slots=True)
class Bucket:
    """So many tokens lay ready at that time."""

    tokens: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """What was got, and the bucket that is left."""

    tokens: int
    bucket: Bucket


def full(rate: Rate, now: datetime) -> Bucket:
    """A bucket that nothing has been taken from."""
    return Bucket(rate.burst, now)


def refill(bucket: Bucket, rate: Rate, now: datetime) -> Bucket:
    """The bucket as it is now.

    A clock that is behind the bucket adds nothing and leaves the bucket's time alone: putting it back would give the
    same seconds out twice, once to each of two instances whose clocks differ. Far behind, the bucket's time was wrong,
    and keeping it would add nothing for hours: it is put right, still adding nothing.
    """
    passed = (now - bucket.at).total_seconds()
    if passed >= 0:
        return Bucket(min(rate.burst, bucket.tokens + passed * rate.per_second), now)
    at = now if bucket.at - now > MAX_CLOCK_DIFFERENCE else bucket.at
    return Bucket(min(rate.burst, bucket.tokens), at)


def take(bucket: Bucket, rate: Rate, now: datetime, wanted: int = 1) -> Taken:
    """As many whole tokens as there are, up to `wanted`: a caller that needs all of them looks at how many came."""
    filled = refill(bucket, rate, now)
    # What was waited for comes to 0.999… in floating point now and then.
    got = max(0, min(wanted, math.floor(filled.tokens + _ROUNDING)))
    return Taken(got, Bucket(filled.tokens - got, filled.at))


def give_back(bucket: Bucket, rate: Rate, tokens: int) -> Bucket:
    """Return tokens that were taken and not used. What does not fit is lost, as it would have been."""
    return Bucket(min(rate.burst, bucket.tokens + tokens), bucket.at)


def seconds_until(bucket: Bucket, rate: Rate, now: datetime, wanted: int = 1) -> float:
    """How long until `wanted` tokens lie ready, rounded up to the microseconds that clocks know.

    0 when they lie ready now, infinite when there are never so many at a time.
    """
    if wanted > rate.burst:
        return math.inf
    filled = refill(bucket, rate, now)
    missing = wanted - filled.tokens
    if missing <= _ROUNDING:
        return 0.0
    # A clock that is behind the bucket has to catch up with it first.
    seconds = missing / rate.per_second + (filled.at - now).total_seconds()
    return math.ceil(seconds * 1e6) / 1e6
