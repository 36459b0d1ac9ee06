"""Everything at once, drawn by a seed: faults come and go on every lane while events keep coming."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from random import Random

from tests.network.rig import Agent, Rig
from tests.network.rules import KINDS, Fault, Rule, Seen

FAULTS = (
    Fault("close-before"),
    Fault("reset-before"),
    Fault("stall-before", seconds=3.0),
    Fault("lose"),
    Fault("stall-after", seconds=3.0),
    Fault("cut-answer"),
    Fault("reset-answer"),
    Fault("truncate"),
    Fault("trickle", seconds=0.2),
    Fault("late", seconds=1.0),
    Fault("slow", seconds=1.0),
    Fault("duplicate"),
    Fault("duplicate", seconds=0.5),
    Fault("say-page", status=200),
    Fault("say-page", status=403),
    Fault("say-page", status=502),
    Fault("say-json", status=200, document={"status": "ok"}),
    Fault("say-json", status=204),
    Fault("say-json", status=404, document={"message": "no such route"}),
    Fault("redirect"),
    *(Fault("say", status=status) for status in (401, 403, 409, 500, 503)),
    Fault("say", status=429, headers={"Retry-After": "1"}),
)
LONGEST_FAULT_SECONDS = 4.0
LONGEST_CALM_SECONDS = 1.0
MOST_EVENTS_APART_SECONDS = 0.7


@dataclass(slots=True)
class Tally:
    """What came of it."""

    events: int = 0
    attempts: int = 0
    lost: int = 0
    """Attempts that were taken for lost: their poll's answer, or their lease, went missing."""
    kept: int = 0
    """Results the hub did not take, kept aside."""
    faults: int = 0
    requests: int = 0
    most_in_a_second: int = 0
    """Requests of one agent."""
    longest_wait_seconds: float = 0.0
    """From one attempt's claim to the next one's, where the first never reached its sink."""
    problems: list[str] = field(default_factory=list)


def run(rig: Rig, agents: Sequence[Agent], seed: int, seconds: float) -> Tally:
    """Faults and events for so long; then a good network, until everything is settled."""
    rng = Random(seed)
    before = {agent.name: len(agent.lane.seen()) for agent in agents}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        _one_spell(rng, agents, min(until, time.monotonic() + rng.uniform(0.3, LONGEST_FAULT_SECONDS)))
        _fire_until(rng, agents, min(until, time.monotonic() + rng.uniform(0.0, LONGEST_CALM_SECONDS)))
    tally = Tally()
    for agent in agents:
        tally.problems += agent.problems()
        _count(rig, agent, agent.lane.seen(before[agent.name]), tally)
    return tally


def _one_spell(rng: Random, agents: Sequence[Agent], until: float) -> None:
    """Faults on some lanes at once, some of them cut off."""
    with ExitStack() as spell:
        for agent in agents:
            if rng.random() < 0.1:
                spell.enter_context(agent.lane.cut())
            elif rng.random() < 0.8:
                agent.lane.rules(*(_rule(rng) for _ in range(rng.randint(1, 3))))
        _fire_until(rng, agents, until)
    for agent in agents:
        agent.lane.rules()


def _rule(rng: Random) -> Rule:
    kinds = KINDS if rng.random() < 0.4 else tuple(rng.sample(KINDS, rng.randint(1, 2)))
    return Rule(rng.choice(FAULTS), kinds, odds=rng.choice((0.4, 0.7, 1.0)))


def _fire_until(rng: Random, agents: Sequence[Agent], until: float) -> None:
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, rng.uniform(0.1, MOST_EVENTS_APART_SECONDS)))
        lines = rng.choice((0, 0, 3, 40))
        rng.choice(agents).fire(
            seconds=rng.choice((0, 0, 1, 5)), lines=lines, width=2000, bytes=rng.choice((0, 60_000))
        )


def _count(rig: Rig, agent: Agent, seen: Sequence[Seen], tally: Tally) -> None:
    tally.events += len(agent.events)
    tally.requests += len(seen)
    tally.faults += sum(each.fault is not None for each in seen)
    a_second = Counter(int(each.at) for each in seen)
    tally.most_in_a_second = max([tally.most_in_a_second, *a_second.values()])
    tally.kept += len(agent.lost())
    for event_id in agent.events:
        attempts = rig.event(event_id)["attempts"]
        tally.attempts += len(attempts)
        tally.lost += sum(each["outcome"] == "LOST" for each in attempts)
        for one, following in pairwise(attempts):
            if not agent.runs(event_id, one["number"]):
                waited = datetime.fromisoformat(following["started_at"]) - datetime.fromisoformat(one["started_at"])
                tally.longest_wait_seconds = max(tally.longest_wait_seconds, waited.total_seconds())
