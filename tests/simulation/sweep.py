"""Many runs: drawn mixes by seed, and every fault at every step of a scene in turn."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulation import scenes
from tests.simulation.drawing import drawn
from tests.simulation.faults import At, possible
from tests.simulation.scenario import Scenario
from tests.simulation.witness import steps_of
from tests.simulation.world import Outcome, run


def mixes(first: int, count: int) -> Iterator[Outcome]:
    """Random scenarios under random faults; the seed repeats each exactly."""
    for seed in range(first, first + count):
        yield run(*drawn(seed))


def every_fault(scene: str, seed: int = 1) -> Iterator[Outcome]:
    """The scene once for each fault that may strike at each of its steps."""
    scenario: Scenario = scenes.ALL[scene](seed)
    for step in steps_of(scenario):
        for fault in possible(step):
            yield run(scenario, At({step.index: fault}, 1.0))
