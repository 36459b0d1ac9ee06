from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.rules.token_bucket import Bucket, Rate, Taken, full, give_back, per_minute, refill, seconds_until, take

START = datetime(2026, 1, 1, tzinfo=UTC)
RATE = Rate(limit=60, per_seconds=60, burst=10)
RATES = st.builds(Rate, st.integers(1, 10_000), st.integers(1, 86_400), st.integers(1, 1000))
SECONDS = st.floats(0, 100_000, allow_nan=False)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("tokens", "later", "wanted", "got", "left"),
    [
        (10, 0, 1, 1, 9),
        (10, 0, 10, 10, 0),
        (10, 0, 11, 10, 0),
        (10, 0, 0, 0, 10),
        (0, 0, 1, 0, 0),
        (0, 0.5, 1, 0, 0.5),
        (0, 1, 1, 1, 0),
        (0.5, 0.5, 1, 1, 0),
        (0, 3.5, 10, 3, 0.5),
        (3, 1000, 1, 1, 9),
    ],
)
def test_taking(tokens: float, later: float, wanted: int, got: int, left: float) -> None:
    assert take(Bucket(tokens, START), RATE, at(later), wanted) == Taken(got, Bucket(left, at(later)))


def test_a_new_bucket_is_full() -> None:
    assert full(RATE, START) == Bucket(10, START)


@pytest.mark.parametrize(
    ("tokens", "later", "wanted", "seconds"),
    [(10, 0, 1, 0), (0, 0, 1, 1), (0, 0, 10, 10), (0.25, 0, 1, 0.75), (0, 4, 5, 1), (10, 0, 11, math.inf)],
)
def test_how_long_until(tokens: float, later: float, wanted: int, seconds: float) -> None:
    assert seconds_until(Bucket(tokens, START), RATE, at(later), wanted) == seconds


def test_a_clock_that_is_behind_adds_nothing_and_moves_nothing() -> None:
    assert refill(Bucket(3, START), RATE, at(-5)) == Bucket(3, START)
    assert take(Bucket(3, START), RATE, at(-5)) == Taken(1, Bucket(2, START))
    assert seconds_until(Bucket(0, START), RATE, at(-5)) == 6


def test_a_bucket_far_in_the_future_is_put_right() -> None:
    assert refill(Bucket(3, at(3600)), RATE, START) == Bucket(3, START)


def test_a_smaller_burst_takes_effect_at_once() -> None:
    assert refill(Bucket(10, START), Rate(1, 1, burst=2), at(-1)) == Bucket(2, START)


def test_giving_back_never_overfills() -> None:
    assert give_back(Bucket(4, START), RATE, 3) == Bucket(7, START)
    assert give_back(Bucket(9, START), RATE, 3) == Bucket(10, START)


@pytest.mark.parametrize(("limit", "per", "burst"), [(0, 1, 1), (1, 0, 1), (1, 1, 0.5), (-1, 1, 1), (math.nan, 1, 1)])
def test_a_rate_that_lets_nothing_through_is_refused(limit: float, per: float, burst: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Rate(limit, per, burst)


@given(RATES, st.lists(st.tuples(st.floats(-30, 1000), st.integers(0, 50)), max_size=30))
def test_no_more_passes_than_burst_and_rate_allow(rate: Rate, asks: list[tuple[float, int]]) -> None:
    now, latest, passed, bucket = START, START, 0, full(rate, START)
    for seconds, wanted in asks:
        now += timedelta(seconds=seconds)
        latest = max(latest, now)
        if latest - now > timedelta(seconds=60):
            now = latest
        taken = take(bucket, rate, now, wanted)
        bucket, passed = taken.bucket, passed + taken.tokens
        assert -1e-5 <= bucket.tokens <= rate.burst
    assert passed <= rate.burst + (latest - START).total_seconds() * rate.per_second + 1e-3


@given(RATES, st.floats(0, 1000), SECONDS, st.integers(1, 1000))
def test_what_was_waited_for_is_there(rate: Rate, tokens: float, later: float, wanted: int) -> None:
    bucket = Bucket(min(tokens, rate.burst), START)
    wait = seconds_until(bucket, rate, at(later), wanted)
    if wait == math.inf:
        assert wanted > rate.burst
    else:
        assert take(bucket, rate, at(later) + timedelta(seconds=wait), wanted).tokens == wanted
        if wait > 1e-3:
            assert take(bucket, rate, at(later) + timedelta(seconds=wait * 0.99 - 1e-4), wanted).tokens < wanted


@given(RATES, SECONDS, SECONDS)
def test_looking_in_between_changes_nothing(rate: Rate, first: float, second: float) -> None:
    empty = Bucket(0, START)
    at_once = refill(empty, rate, at(first + second))
    in_steps = refill(refill(empty, rate, at(first)), rate, at(first + second))
    assert in_steps.tokens == pytest.approx(at_once.tokens)


@given(st.integers(1, 5000), st.lists(st.floats(0, 20), min_size=1, max_size=60), st.data())
def test_never_more_than_its_number_pass_in_a_minute(most: int, waits: list[float], data: st.DataObject) -> None:
    rate, now = per_minute(most), 0.0
    bucket, passed = full(rate, at(0)), []
    for wait in waits:
        now += wait
        taken = take(bucket, rate, at(now), data.draw(st.integers(1, most)))
        bucket = taken.bucket
        passed.append((now, taken.tokens))
    for begin, _ in passed:
        assert sum(tokens for moment, tokens in passed if begin <= moment < begin + 60) <= most


@given(st.integers(1, 5000))
def test_who_comes_often_enough_gets_nearly_all_of_them(most: int) -> None:
    rate = per_minute(most)
    assert most * 11 / 12 <= rate.limit <= most
    assert rate.burst >= 1
    assert rate.burst == 1 or rate.burst / rate.per_second >= 5, "who comes five seconds late loses nothing"
