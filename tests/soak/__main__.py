"""`make soak`: the simulation on fresh seeds for as long as asked, on all cores. Ends with 1 at the first violation."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

BATCH = 500
SEEDS_APART = 1_000_000
"""Between two values of --seed: no schedule is run for both."""


def main() -> int:
    """Run batches of schedules until the time is over."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=600)
    arguments = parser.parse_args()
    until = time.monotonic() + arguments.seconds
    workers = os.cpu_count() or 1
    next_seed, done = arguments.seed * SEEDS_APART, 0
    with ThreadPoolExecutor(workers) as pool:
        running: set[Future[subprocess.CompletedProcess[str]]] = set()
        while running or time.monotonic() < until:
            while len(running) < workers and time.monotonic() < until:
                running.add(pool.submit(_batch, next_seed))
                next_seed += BATCH
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for batch in ended:
                print(batch.result().stdout, end="", flush=True)
                if batch.result().returncode != 0:
                    return 1
                done += BATCH
    print(f"{done} schedules, no violation")
    return 0


def _batch(seed: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.simulation", "--seed", str(seed), "--count", str(BATCH)]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([".", "agent"])}
    return subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
