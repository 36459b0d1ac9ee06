"""What the long fuzz run calls flat: noise is let pass, what remains of a request is not."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from tests.soak.flat import LEAST_SAMPLES, MOST_OF_SQLITE, Sample, held_flat
from tests.soak.runs import Violation

FLAT = {
    "blocks": 430_000.0,
    "objects": 130_000.0,
    "bytes given out": 24e6,
    "bytes kept free": 9e6,
    "bytes of SQLite": 5e6,
}
Sampled = list[tuple[int, Sample]]


def sampled(more: Callable[[str, int], float] = lambda _, __: 0.0) -> Sampled:
    """From the 8,000th to the 20,000th request, as measured: noise, and passwords that are being hashed."""
    noise = Random(7)
    samples: Sampled = []
    for number in range(8000, 20_001, 250):
        sample = {what: value + more(what, number) for what, value in FLAT.items()}
        sample["blocks"] += noise.uniform(-1500, 1500)
        sample["objects"] += noise.uniform(-500, 500)
        sample["bytes given out"] += noise.choice([0, 0, 0, 64 * 2**20])
        samples.append((number, sample))
    return samples


def test_noise_and_passwords_are_flat() -> None:
    figures = held_flat(sampled())
    assert abs(figures["bytes given out that remain of a request"]) < 1
    assert figures["in use, without SQLite (MiB)"] == pytest.approx(24e6 / 2**20)


@pytest.mark.parametrize(("what", "each"), [("blocks", 1), ("objects", 0.5), ("bytes given out", 300)])
def test_what_remains_of_a_request_is_not(what: str, each: float) -> None:
    with pytest.raises(Violation, match=f"the hub's {what} rise by"):
        held_flat(sampled(lambda named, number: each * number if named == what else 0))


def test_caches_have_a_bound() -> None:
    with pytest.raises(Violation, match="SQLite holds"):
        held_flat(sampled(lambda named, _: MOST_OF_SQLITE if named == "bytes of SQLite" else 0))


def test_few_samples_say_nothing() -> None:
    with pytest.raises(Violation, match="too few"):
        held_flat(sampled()[: LEAST_SAMPLES - 1])
