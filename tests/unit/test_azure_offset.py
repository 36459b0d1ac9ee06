"""What the `Date` of an answer says about the service's clock."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.storage.azure.offset import DRIFT, STALE_SECONDS, Offset, ServiceClock, offset_in

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_one_answer_tells_the_offset_to_half_a_second_and_half_a_round_trip() -> None:
    seen = offset_in(NOON, sent=after(0.2), received=after(0.4))
    assert seen.least == pytest.approx(-0.4)
    assert seen.most == pytest.approx(0.8 + STALE_SECONDS)


@given(
    offset=st.floats(-5000, 5000),
    answers=st.lists(st.tuples(st.floats(0, 600), st.floats(0, 5), st.floats(0, 1)), min_size=1, max_size=30),
)
def test_the_true_offset_is_always_between_the_bounds(offset: float, answers: list[tuple[float, float, float]]) -> None:
    known: Offset | None = None
    at = 0.0
    for wait, round_trip, answered in answers:
        at += wait
        date = after(math.floor(at + round_trip * answered + offset))
        seen = offset_in(date, after(at), after(at + round_trip))
        known = known.narrowed(seen) if known else seen
        at += round_trip
        assert known.least - 1e-3 <= offset <= known.most + 1e-3  # datetimes have whole microseconds


def test_answers_at_different_moments_of_a_second_narrow_it_down() -> None:
    offset = 3.3
    clock = ServiceClock()
    for number in range(50):
        at = number * 1.07
        date = after(math.floor(at + 0.005 + offset))
        clock.saw(date.strftime("%a, %d %b %Y %H:%M:%S GMT"), after(at), after(at + 0.01))
    assert abs(clock.offset().total_seconds() - offset) < 0.1


def test_an_answer_that_contradicts_what_is_known_counts_alone() -> None:
    known = Offset(-0.1, 0.1, NOON.timestamp())
    seen = Offset(4.0, 5.0, NOON.timestamp() + 1)
    assert known.narrowed(seen) == seen


def test_what_is_known_grows_stale() -> None:
    known = Offset(-0.1, 0.1, 0.0)
    later = known.narrowed(Offset(-0.9, 0.9, 100.0))
    assert later.least == pytest.approx(-0.1 - 100 * DRIFT)
    assert later.most == pytest.approx(0.1 + 100 * DRIFT)
