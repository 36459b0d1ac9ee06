"""How long is waited between two attempts."""

from __future__ import annotations

from random import Random

import pytest

from hub.storage.azure.patience import Patience

PATIENCE = Patience(first_pause_seconds=0.1, longest_pause_seconds=4)


@pytest.mark.parametrize(("attempt", "longest"), [(0, 0.1), (1, 0.2), (3, 0.8), (6, 4), (1000, 4)])
def test_pauses_double_up_to_the_longest_with_jitter(attempt: int, longest: float) -> None:
    pauses = [PATIENCE.pause_seconds(attempt, None, Random(seed)) for seed in range(200)]
    assert longest / 2 <= min(pauses) < longest * 0.6
    assert longest * 0.9 < max(pauses) <= longest


@pytest.mark.parametrize("asked", [0.0, 1.5, 3600.0])
def test_a_pause_the_service_asks_for_goes_before(asked: float) -> None:
    assert PATIENCE.pause_seconds(5, asked, Random(1)) == asked
