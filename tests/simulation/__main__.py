"""Long runs: `python -m tests.simulation --seed 1 --count 1000`. Ends with 1, the seed and a trace at a violation."""

from __future__ import annotations

import argparse
import logging
import sys

from tests.simulation.sweep import mixes


def main() -> int:
    """Run drawn schedules until one fails or all are through."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--count", type=int, default=1000, help="how many schedules")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    faults = 0
    for seed, outcome in enumerate(mixes(arguments.seed, arguments.count), arguments.seed):
        faults += len(outcome.hits)
        if outcome.violations:
            print(f"seed {seed}\n{outcome.report()}")
            return 1
    print(f"{arguments.count} schedules from seed {arguments.seed}, {faults} faults, no violation")
    return 0


if __name__ == "__main__":
    sys.exit(main())
