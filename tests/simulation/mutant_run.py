"""Runs one planted bug against its witnesses: `python -m tests.simulation.mutant_run NUMBER`.

Ends with 0 and the violation when the simulation catches it, with 1 when it survives.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.planting import plant

if TYPE_CHECKING:
    from tests.simulation.witness import Run

SURVIVED = 1


def main(name: str) -> int:
    """Plant the bug and look for it."""
    logging.disable(logging.CRITICAL)
    mutant = next(each for each in MUTANTS if each.name == name)
    plant(mutant)
    from tests.simulation.world import run  # only now: this imports what was planted

    tried = 0
    for tried, (scenario, plan) in enumerate(_runs(mutant), 1):
        violations = run(scenario, plan).violations
        if violations:
            print(f"caught by run {tried}, {scenario.name} with seed {scenario.seed}: {violations[0]}")
            return 0
    print(f"survived {tried} runs: {mutant.what}")
    return SURVIVED


def _runs(mutant: Mutant) -> Iterator[Run]:
    from tests.simulation.witnesses import WITNESSES

    for witness in WITNESSES[mutant.name]:
        yield from witness.runs()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
