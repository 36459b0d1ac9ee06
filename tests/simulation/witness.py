"""Where a planted bug must show: runs of a scene under faults that are named, not numbered, so that they stay put."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tests.simulation import scenes
from tests.simulation.faults import At, Fault, Faultless, Plan, Script, Step, Strike, possible
from tests.simulation.scenario import Scenario
from tests.simulation.world import run

Run: TypeAlias = tuple[Scenario, Plan]


@dataclass(frozen=True)
class Struck:
    """A scene under a script of strikes; without any, nothing goes wrong."""

    scene: str
    seeds: Sequence[int] = (1,)
    strikes: Sequence[Strike] = ()

    def runs(self) -> Iterator[Run]:
        for seed in self.seeds:
            yield scenes.ALL[self.scene](seed), Script(*self.strikes)


@dataclass(frozen=True)
class Swept:
    """A scene with one fault at each step of some kind in turn."""

    scene: str
    what: str
    faults: Sequence[Fault]
    seeds: Sequence[int] = (1,)
    seconds: float = 1.0

    def runs(self) -> Iterator[Run]:
        for seed in self.seeds:
            scenario = scenes.ALL[self.scene](seed)
            for step in steps_of(scenario):
                if step.what == self.what:
                    yield from (
                        (scenario, At({step.index: fault}, self.seconds))
                        for fault in self.faults
                        if fault in possible(step)
                    )


Witness: TypeAlias = Struck | Swept


def steps_of(scenario: Scenario) -> list[Step]:
    """The steps of a scenario in which nothing goes wrong, of a run of equal ones the first and the last."""
    steps = run(scenario, Faultless(), keep_steps=True).steps
    kinds = [(step.who, step.what) for step in steps]
    kept = []
    for place, step in enumerate(steps):
        first = place == 0 or kinds[place - 1] != kinds[place]
        last = place + 1 == len(steps) or kinds[place + 1] != kinds[place]
        if first or last:
            kept.append(step)
    return kept
