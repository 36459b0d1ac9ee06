"""The simulation on fresh seeds, on all cores."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from tests.soak.runs import Figures, Violation

ROOT = Path(__file__).resolve().parents[2]
BATCH = 500
SEEDS_APART = 1_000_000
"""Between two values of the seed: no schedule is run for both."""

SAID_EVERY = 5_000
"""Schedules between two lines of progress: a long run that is stopped has said how far it came."""

Batch = subprocess.CompletedProcess[str]


def run(seed: int, seconds: float) -> Figures:
    """Batches of drawn schedules until the time is over. Raises `Violation` with the seed of the first that fails."""
    until = time.monotonic() + seconds
    workers = os.cpu_count() or 1
    next_seed, schedules, faults = seed * SEEDS_APART, 0, 0
    with ThreadPoolExecutor(workers) as pool:
        running: set[Future[Batch]] = set()
        while running or time.monotonic() < until:
            while len(running) < workers and time.monotonic() < until:
                running.add(pool.submit(_batch, next_seed))
                next_seed += BATCH
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for batch in ended:
                schedules += BATCH
                faults += _faults(batch.result())
                if schedules % SAID_EVERY == 0:
                    print(f"{schedules:,} schedules, {faults:,} faults, no violation so far", flush=True)
    return {"schedules": schedules, "injected faults": faults}


def _batch(seed: int) -> Batch:
    command = [sys.executable, "-m", "tests.simulation", "--seed", str(seed), "--count", str(BATCH)]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([".", "agent"])}
    return subprocess.run(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True, check=False)


def _faults(batch: Batch) -> int:
    said = re.search(r"(\d+) faults, no violation", batch.stdout)
    if batch.returncode != 0 or said is None:
        raise Violation(batch.stdout or f"a batch of schedules ended with {batch.returncode}")
    return int(said[1])
