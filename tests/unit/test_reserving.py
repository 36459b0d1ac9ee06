"""How many tokens are taken ahead, and for how long: never so that the error is more than a tenth of the burst."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.rules.reserving import TOLERANCE, Lot, good_for_seconds, next_lot, refused_for_seconds
from hub.rules.token_bucket import Rate

RATES = st.builds(Rate, st.integers(1, 10_000), st.integers(1, 86_400), st.integers(1, 1000))
HUNDRED = Rate(limit=100, per_seconds=60, burst=50)


@given(RATES)
def test_what_flows_in_while_tokens_are_held_is_within_the_tolerance(rate: Rate) -> None:
    assert good_for_seconds(rate) * rate.per_second <= TOLERANCE * rate.burst * (1 + 1e-9)


@pytest.mark.parametrize(
    ("last", "size"),
    [
        (None, 1),
        (Lot(1, 1, 0.0), 2),
        (Lot(2, 2, 0.1), 4),
        (Lot(4, 4, 0.1), 5),  # a tenth of the burst, and no more
        (Lot(4, 4, 60.0), 1),  # slowly: the next would not be used in time
        (Lot(5, 2, 3.0), 2),  # some expired: no more than were used
        (Lot(5, 0, 3.0), 1),
    ],
)
def test_the_next_lot(last: Lot | None, size: int) -> None:
    assert next_lot(HUNDRED, last) == size


@given(RATES, st.integers(1, 1000), st.data())
def test_a_lot_is_never_more_than_twice_the_last_or_a_tenth_of_the_burst(
    rate: Rate, size: int, data: st.DataObject
) -> None:
    used = data.draw(st.integers(0, size))
    wanted = next_lot(rate, Lot(size, used, data.draw(st.floats(0, 1000))))
    assert 1 <= wanted <= max(1, size * 2)
    assert wanted <= max(1, used, int(TOLERANCE * rate.burst))


@given(RATES, st.floats(0, 100_000))
def test_it_is_refused_without_asking_until_there_is_a_token_and_never_until_the_bucket_is_full(
    rate: Rate, next_in: float
) -> None:
    seconds = refused_for_seconds(rate, next_in)
    assert seconds >= next_in
    assert seconds <= max(next_in, TOLERANCE * rate.burst / rate.per_second)
