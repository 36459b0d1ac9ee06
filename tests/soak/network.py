"""A bad network for long: every outage once, then drawn mixes of everything, between which the hub loses its clock."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from tests.network import mix
from tests.network.mix import Tally
from tests.network.outages import OUTAGES, Outage, Trial
from tests.network.rig import Agent, Rig
from tests.soak.runs import Figures, Violation

SEEDS_APART = 1_000_000
MIX_SECONDS = 30.0
LONGEST_STEP_BACK_SECONDS = 120.0
OUTAGES_AT_ONCE = 6
OUTAGES_FROM_SECONDS = 180.0
"""A shorter run leaves them to `make test`, which has most of them."""


def run(seed: int, seconds: float) -> Figures:
    """Until the time is over. Raises `Violation` with the seed of the mix that broke a promise."""
    until = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder, Rig(Path(folder), seed) as rig:
        trials = _outages(rig) if seconds >= OUTAGES_FROM_SECONDS else 0
        agents = [
            rig.agent("one", "--slots", "4").start(),
            rig.agent("two", "--slots", "2", sink_type="one").start(),
            rig.agent("three", "--slots", "8", secret=True).start(),
        ]
        total, mixes, rng, off = Tally(), 0, Random(seed), 0.0
        while mixes == 0 or time.monotonic() < until:
            _add(total, _mix(rig, agents, seed * SEEDS_APART + mixes))
            mixes += 1
            off -= rng.uniform(0.0, LONGEST_STEP_BACK_SECONDS)
            rig.hub.stop(signal.SIGKILL)
            rig.hub.start(clock_off_seconds=off)
        return {"outages tried": trials, "mixes": mixes, "restarts with an older clock": mixes, **_figures(total)}


def _mix(rig: Rig, agents: Sequence[Agent], seed: int) -> Tally:
    for agent in agents:
        agent.events.clear()
    tally = mix.run(rig, agents, seed, MIX_SECONDS)
    if tally.problems:
        raise Violation(f"the mix of seed {seed}: {'; '.join(tally.problems)}")
    return tally


def _outages(rig: Rig) -> int:
    agents = [rig.agent(f"outage-{number}", "--slots", "16") for number in range(OUTAGES_AT_ONCE)]

    def try_all(agent: Agent, outages: Sequence[Outage]) -> list[str]:
        agent.start()
        found: list[str] = []
        for outage in outages:
            trial = Trial(outage, agent)
            trial.run()
            found += [f"{outage.name}: {problem}" for problem in trial.problems()]
        agent.process.signal()
        return found

    shares = [OUTAGES[number::OUTAGES_AT_ONCE] for number in range(OUTAGES_AT_ONCE)]
    with ThreadPoolExecutor(OUTAGES_AT_ONCE) as pool:
        found = [problem for each in pool.map(try_all, agents, shares) for problem in each]
    if found:
        raise Violation("\n".join(found))
    return len(OUTAGES)


def _add(total: Tally, tally: Tally) -> None:
    total.events += tally.events
    total.attempts += tally.attempts
    total.lost += tally.lost
    total.kept = tally.kept  # of all mixes so far: the folder is not emptied
    total.faults += tally.faults
    total.requests += tally.requests
    total.most_in_a_second = max(total.most_in_a_second, tally.most_in_a_second)
    total.longest_wait_seconds = max(total.longest_wait_seconds, tally.longest_wait_seconds)


def _figures(total: Tally) -> Figures:
    return {
        "events": total.events,
        "attempts": total.attempts,
        "attempts whose poll's answer or lease was lost": total.lost,
        "results kept aside, their lease being over": total.kept,
        "requests": total.requests,
        "requests that met a fault": total.faults,
        "most requests of one agent in a second": total.most_in_a_second,
        "longest wait after a poll's answer was lost (s)": total.longest_wait_seconds,
    }
