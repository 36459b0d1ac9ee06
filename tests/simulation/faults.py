"""What can go wrong, and the plans that say when: nothing, one fault at one step, or faults drawn from a seed.

Everything that may fail is a step, numbered in the order in which the run comes to it: a storage operation, a call
over the network, an intent an agent carries out. The same seed meets the same steps, up to the first fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Protocol


class Fault(Enum):
    """What may happen at a step."""

    NONE = "none"
    FAIL = "fails without effect"
    LOST = "takes effect, the answer is lost"
    LATE = "the answer is lost, the effect comes later"
    DUPLICATE = "is done twice, the second answer is seen"
    SLOW = "takes long"
    SLOW_AFTER = "takes effect, the answer takes long"
    CRASH_BEFORE = "its process is killed before"
    CRASH_AFTER = "its process is killed after"
    GONE_BEFORE = "its process is killed before, and never started again"
    GONE_AFTER = "its process is killed after, and never started again"


MOST_SLOW_SECONDS = 19.0
"""An operation that takes longer than its time budget is one whose answer is lost."""
CRASHES = frozenset({Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.GONE_BEFORE, Fault.GONE_AFTER})


class Layer(Enum):
    """What kind of step it is."""

    STORAGE = "storage"
    NETWORK = "network"
    AGENT = "agent"


@dataclass(frozen=True)
class Outage:
    """From when until when one layer does not work at all: storage, or the network between everybody and the hubs."""

    begins: float
    ends: float
    layer: Layer = Layer.NETWORK


OUT_SECONDS = 0.5
"""How soon a step fails while its layer is out."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is about to be done."""

    index: int
    layer: Layer
    who: str
    """The process that does it."""
    what: str
    """`table.merge events`, `renew`, `StartChild`."""

    def __str__(self) -> str:
        return f"#{self.index} {self.who} {self.what}"


_READS = ("table.get", "table.query", "blob.get", "queue.depth")


def possible(step: Step) -> tuple[Fault, ...]:
    """The faults that mean something at this step, beside none."""
    if step.layer is Layer.AGENT:
        return (Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.GONE_BEFORE, Fault.GONE_AFTER)
    if step.layer is Layer.NETWORK:
        return (Fault.FAIL, Fault.LOST, Fault.LATE, Fault.DUPLICATE, Fault.SLOW)
    if step.what.startswith(_READS):
        return (Fault.FAIL, Fault.SLOW, Fault.CRASH_BEFORE)
    return (
        Fault.FAIL,
        Fault.LOST,
        Fault.LATE,
        Fault.DUPLICATE,
        Fault.SLOW,
        Fault.SLOW_AFTER,
        Fault.CRASH_BEFORE,
        Fault.CRASH_AFTER,
    )


@dataclass(frozen=True, slots=True)
class Hit:
    """A fault that was injected."""

    at: float
    step: Step
    fault: Fault
    seconds: float
    """How long it took, where it is one that takes time."""


class Plan(Protocol):
    """Says what happens at each step."""

    def decide(self, step: Step, now: float) -> Fault: ...

    def seconds(self, step: Step, fault: Fault) -> float:
        """How long a fault lasts: until the caller gives up, until a late effect lands, how slow."""
        ...


class Faultless:
    """Nothing goes wrong."""

    def decide(self, step: Step, now: float) -> Fault:
        return Fault.NONE

    def seconds(self, step: Step, fault: Fault) -> float:
        return 0.0


@dataclass(frozen=True)
class At:
    """These faults at these steps, and nothing else."""

    faults: Mapping[int, Fault]
    long: float = 12.0

    def decide(self, step: Step, now: float) -> Fault:
        fault = self.faults.get(step.index, Fault.NONE)
        return fault if fault in possible(step) else Fault.NONE

    def seconds(self, step: Step, fault: Fault) -> float:
        return self.long


@dataclass(frozen=True)
class Strike:
    """A fault at the n-th step of a kind, told by what it does: it stays where it is when other steps come or go."""

    what: str
    nth: int
    fault: Fault
    seconds: float = 1.0


class Script:
    """These strikes, and nothing else."""

    def __init__(self, *strikes: Strike) -> None:
        self._strikes = {(strike.what, strike.nth): strike for strike in strikes}
        self._seen: Counter[str] = Counter()
        self._last = 0.0

    def decide(self, step: Step, now: float) -> Fault:
        self._seen[step.what] += 1
        strike = self._strikes.get((step.what, self._seen[step.what]))
        if strike is None:
            return Fault.NONE
        self._last = strike.seconds
        return strike.fault

    def seconds(self, step: Step, fault: Fault) -> float:
        return self._last


@dataclass
class Drawn:
    """Up to `budget` faults, each step with this chance, until a time. Storage, network and agents alike."""

    rng: Random
    chance: float
    budget: int
    until: float
    kinds: Sequence[Fault] = tuple(fault for fault in Fault if fault is not Fault.NONE)
    weights: Mapping[Layer, float] = field(default_factory=lambda: dict.fromkeys(Layer, 1.0))

    def decide(self, step: Step, now: float) -> Fault:
        if self.budget <= 0 or now >= self.until:
            return Fault.NONE
        if self.rng.random() >= self.chance * self.weights[step.layer]:
            return Fault.NONE
        self.budget -= 1
        kinds = [kind for kind in possible(step) if kind in self.kinds]
        return self.rng.choice(kinds) if kinds else Fault.NONE

    def seconds(self, step: Step, fault: Fault) -> float:
        if fault is Fault.LATE:
            return self.rng.choice((0.05, 1.0, 8.0, 40.0)) * self.rng.random()
        if fault in (Fault.SLOW, Fault.SLOW_AFTER) and step.layer is Layer.STORAGE:
            return self.rng.choice((0.5, 8.0, MOST_SLOW_SECONDS)) * self.rng.random()
        if fault is Fault.SLOW:
            return self.rng.choice((0.5, 8.0, 16.0, 45.0)) * self.rng.random()
        return self.rng.uniform(0.1, 3.0)


class Faults:
    """Counts the steps of a run, asks the plan, and remembers what was injected."""

    def __init__(self, plan: Plan, outages: Sequence[Outage] = (), *, keep_steps: bool = False) -> None:
        self._plan = plan
        self._outages = outages
        self._keep = keep_steps
        self.steps: list[Step] = []
        """Every step, if they are kept."""
        self.count = 0
        self.hits: list[Hit] = []

    def at(self, layer: Layer, who: str, what: str, now: float) -> Hit | None:
        """The fault to inject here, if any."""
        step = Step(self.count, layer, who, what)
        self.count += 1
        if self._keep:
            self.steps.append(step)
        if self.out(layer, now):
            return Hit(now, step, Fault.FAIL, OUT_SECONDS)
        fault = self._plan.decide(step, now)
        if fault is Fault.NONE:
            return None
        hit = Hit(now, step, fault, self._plan.seconds(step, fault))
        self.hits.append(hit)
        return hit

    def out(self, layer: Layer, now: float) -> bool:
        """Whether this layer does not work at all at this time."""
        return any(outage.layer is layer and outage.begins <= now < outage.ends for outage in self._outages)
