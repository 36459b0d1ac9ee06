"""Durations counted in fixed buckets, and read back as percentiles."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.rules.histogram import LAST_BUCKET, bucket_of, middle_of, percentile

MEASURED = st.floats(min_value=0.001, max_value=9e6)


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [
        (-1.0, 0),
        (0.0, 0),
        (0.0009, 0),
        (0.001, 1),
        (0.00125, 1),
        (0.00126, 2),
        (0.01, 11),
        (1.0, 31),
        (1e9, LAST_BUCKET),
    ],
)
def test_buckets(seconds: float, bucket: int) -> None:
    assert bucket_of(seconds) == bucket


@given(MEASURED)
def test_a_bucket_stands_for_its_values(seconds: float) -> None:
    assert math.isclose(middle_of(bucket_of(seconds)), seconds, rel_tol=0.1225)


@given(st.lists(MEASURED, min_size=1), st.floats(min_value=0.01, max_value=1))
def test_a_percentile_is_near_the_true_one(values: list[float], share: float) -> None:
    true = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    found = percentile(Counter(map(bucket_of, values)), share)
    assert found is not None
    assert math.isclose(found, true, rel_tol=0.1225)


def test_nothing_has_no_percentile() -> None:
    assert percentile({}, 0.5) is None
