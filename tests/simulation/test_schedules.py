"""The storage protocol under fire: no event lost, none ended twice, no follow-on missing or doubled, no stale write."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.simulation import scenes
from tests.simulation.drawing import drawn
from tests.simulation.faults import Faultless
from tests.simulation.sweep import every_fault, mixes
from tests.simulation.world import run

BATCHES, BATCH = 10, 150


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The hub says what it meets, and it meets everything here."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("scene", sorted(scenes.ALL))
def test_nothing_goes_wrong_where_nothing_is_injected(scene: str) -> None:
    outcome = run(scenes.ALL[scene](1), Faultless())
    assert not outcome.violations, outcome.report(lines=80)


@pytest.mark.parametrize("scene", [scene.__name__ for scene in scenes.SYSTEMATIC])
def test_every_fault_at_every_step(scene: str) -> None:
    runs = 0
    for outcome in every_fault(scene):
        assert not outcome.violations, outcome.report(lines=80)
        runs += 1
    assert runs > 100


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_mixes(batch: int) -> None:
    first = 1 + batch * BATCH
    for seed, outcome in enumerate(mixes(first, BATCH), first):
        assert not outcome.violations, f"seed {seed}\n{outcome.report(lines=120)}"


def test_a_seed_gives_the_same_run_again() -> None:
    first, again = (run(*drawn(7)) for _ in range(2))
    assert first.trace.lines(None) == again.trace.lines(None)
    assert first.hits == again.hits
