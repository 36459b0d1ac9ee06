"""`make bench` ends with an error where a start costs more than it may."""

from __future__ import annotations

import pytest

from tests.bench.figures import BOUNDS, WORDS, beyond_bounds


@pytest.mark.parametrize("key", BOUNDS)
def test_a_figure_beyond_its_bound_is_said(key: str) -> None:
    assert beyond_bounds({key: BOUNDS[key]}) == []
    (said,) = beyond_bounds({key: BOUNDS[key] + 0.01, "start_ms_p50": 1e6})
    assert said.startswith(WORDS[key].strip())


def test_what_was_not_measured_is_not_too_much() -> None:
    assert beyond_bounds({}) == []
