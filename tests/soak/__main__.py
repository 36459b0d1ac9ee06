"""`make soak`: the long runs, one after the other. Ends with 1 at the first violation.

The figures are printed and kept in .local/soak.json, each run's beside those of the others.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from tests.soak import (
    api,
    backlog,
    backup,
    forgetting,
    fuzz,
    install,
    kills,
    kills_azurite,
    limits,
    modules,
    network,
    schedules,
    simulation,
    size,
)
from tests.soak.runs import Figures, LongRun, Violation

RUNS = (
    LongRun("simulation", 4, simulation.run),
    LongRun("kills", 2, kills.run),
    LongRun("kills-azurite", 2, kills_azurite.run),
    LongRun("azurite-killed", 1, forgetting.run),
    LongRun("modules", 2, modules.run),
    LongRun("network", 2, network.run),
    LongRun("size", 2, size.run),
    LongRun("backlog", 2, backlog.run),
    LongRun("limits", 1, limits.run),
    LongRun("schedules", 2, schedules.run),
    LongRun("fuzz", 2, fuzz.run),
    LongRun("api", 2, api.run),
    LongRun("backup", 1, backup.run),
    LongRun("install", 1, install.run),
)
RESULT = Path(__file__).resolve().parents[2] / ".local" / "soak.json"


def main() -> int:
    """Run what was asked for, each for its share of the time."""
    names = [each.name for each in RUNS]
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=600, help="for all runs together")
    parser.add_argument("--only", choices=names, nargs="+", default=names)
    arguments = parser.parse_args()
    chosen = [each for each in RUNS if each.name in arguments.only]
    shares = sum(each.share for each in chosen)
    for each in chosen:
        seconds = arguments.seconds * each.share / shares
        print(f"{each.name}: seed {arguments.seed}, {seconds:.0f} s", flush=True)
        began = time.monotonic()
        try:
            figures = each.run(arguments.seed, seconds)
        except Violation as violation:
            print(f"{each.name}: VIOLATION\n{violation}")
            return 1
        _keep(each.name, {"seed": arguments.seed, "seconds": round(time.monotonic() - began), **figures})
    return 0


def _keep(name: str, figures: Figures) -> None:
    for what, value in figures.items():
        print(f"  {what:60} {value:12,.6g}", flush=True)
    kept = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({**kept, name: dict(figures)}, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
