"""Every planted bug is caught by the simulation, and the code as it is passes the very same runs."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.planting import ROOT, patched
from tests.simulation.witnesses import WITNESSES
from tests.simulation.world import run

NAMES = [mutant.name for mutant in MUTANTS]
KINDS = 43
"""So many kinds of mistakes protocol, limits, reruns, alerts and commands invite; some are planted in several ways."""


def test_every_kind_of_mistake_is_planted_and_has_its_witness() -> None:
    assert {int(name.rstrip("abcde")) for name in NAMES} == set(range(1, KINDS + 1))
    assert set(WITNESSES) == set(NAMES)


@pytest.mark.parametrize("mutant", MUTANTS, ids=NAMES)
def test_the_bug_can_be_planted(mutant: Mutant) -> None:
    for file, source in patched(mutant.patches).items():
        compile(source, file, "exec")


@pytest.mark.parametrize("name", NAMES)
def test_the_planted_bug_is_caught(name: str) -> None:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "agent")])}
    command = [sys.executable, "-m", "tests.simulation.mutant_run", name]

    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("caught by run")


@pytest.mark.parametrize("name", NAMES)
def test_the_code_as_it_is_passes_the_same_runs(name: str) -> None:
    logging.disable(logging.CRITICAL)
    try:
        for witness in WITNESSES[name]:
            for scenario, plan in witness.runs():
                outcome = run(scenario, plan)
                assert not outcome.violations, outcome.report(lines=80)
    finally:
        logging.disable(logging.NOTSET)
