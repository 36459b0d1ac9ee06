"""Histograms with fixed buckets, ten to a decade: any two can be added, whoever counted them and when.

A percentile read from one is at most an eighth away from the true value: a bucket is 26 % wide, and its middle is
answered.
"""

from __future__ import annotations

import math
from typing import Final

from hub.model.stats import Histogram

PER_DECADE: Final = 10
LAST_BUCKET: Final = 100
"""From 115 days on. Bucket 0 is what took less than a millisecond."""


def bucket_of(seconds: float) -> int:
    """The bucket of a duration."""
    milliseconds = seconds * 1000
    if milliseconds < 1:
        return 0
    return min(LAST_BUCKET, 1 + math.floor(math.log10(milliseconds) * PER_DECADE))


def middle_of(bucket: int) -> float:
    """The duration, in seconds, that stands for a bucket: the geometric middle of its bounds."""
    if bucket == 0:
        return 0.0
    milliseconds: float = 10 ** ((bucket - 0.5) / PER_DECADE)
    return milliseconds / 1000


def percentile(histogram: Histogram, share: float) -> float | None:
    """The duration, in seconds, that this share (0 to 1) of the values does not exceed; None without values."""
    total = sum(histogram.values())
    if total == 0:
        return None
    wanted = max(1, math.ceil(share * total))
    seen = 0
    for bucket in sorted(histogram):
        seen += histogram[bucket]
        if seen >= wanted:
            return middle_of(bucket)
    raise AssertionError("the counts of a histogram add up to its total")
