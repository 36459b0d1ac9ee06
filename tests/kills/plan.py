"""What a kill run sends and what it kills, drawn from a seed. The moments are drawn; what they hit is the machine's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

SINK_TYPE = "PYTHON:BASE"
FOLLOW = "KILLS_FOLLOW"
LARGE_CHARS = 60_000
"""Above what fits into a row: payload and result go to blobs."""


@dataclass(frozen=True)
class Kind:
    """One sort of work, which is an EventType, an Action and a webhook of the same name."""

    name: str
    weight: int
    seconds: tuple[float, float] = (0.0, 0.0)
    fails: tuple[int, int] = (0, 0)
    padding: int = 0
    retry: Mapping[str, Any] = field(default_factory=dict)
    on_success: str | None = None
    on_failure: str | None = None

    @property
    def max_attempts(self) -> int:
        return int(self.retry.get("max_attempts", 1))

    @property
    def max_lost(self) -> int:
        return int(self.retry.get("max_lost", 3))

    @property
    def starts_once(self) -> bool:
        """It must never be started twice, whatever is lost."""
        return self.retry.get("on_lost") == "fail"

    def follower(self, state: str) -> str | None:
        return {"SUCCESS": self.on_success, "ERROR": self.on_failure}.get(state)


KINDS = (
    Kind("KILLS_QUICK", 4),
    Kind("KILLS_SLOW", 2, seconds=(0.5, 6.0), retry={"max_lost": 20}),
    Kind(
        "KILLS_FLAKY",
        2,
        fails=(1, 3),
        retry={"max_attempts": 3, "backoff_seconds": 1, "factor": 1, "max_lost": 20},
        on_success=FOLLOW,
        on_failure=FOLLOW,
    ),
    Kind("KILLS_CHAIN", 3, seconds=(0.0, 0.3), on_success=FOLLOW),
    Kind("KILLS_ONCE", 2, seconds=(0.0, 1.0), retry={"on_lost": "fail"}, on_failure=FOLLOW),
    Kind("KILLS_LARGE", 1, padding=LARGE_CHARS),
)
FOLLOWER = Kind(FOLLOW, 0, retry={"max_lost": 20})
BY_NAME = {kind.name: kind for kind in (*KINDS, FOLLOWER)}


@dataclass(frozen=True)
class Job:
    """One call of a caller. Its token comes back in the result of the event that it fires."""

    kind: str
    token: str
    seconds: float
    fails: int
    padding: int

    @property
    def payload(self) -> dict[str, Any]:
        return {
            "token": self.token,
            "seconds": self.seconds,
            "fails": self.fails,
            "padding": self.token[-1] * self.padding,
        }


@dataclass(frozen=True)
class Blow:
    """After so many seconds this is killed."""

    wait: float
    target: str


@dataclass(frozen=True)
class Pace:
    """How hard a run hits: how much is sent at once, what is killed, and the pauses between, in seconds."""

    targets: Mapping[str, int]
    """What is killed, and how often beside the others."""
    between_blows: tuple[float, float]
    callers: int = 3
    burst: tuple[int, int] = (2, 12)
    between_bursts: tuple[float, float] = (0.2, 1.5)


def bursts(seed: int, caller: int, pace: Pace) -> Iterator[tuple[list[Job], float]]:
    """What one caller sends, burst by burst, and how long it is silent after each; without end."""
    rng = Random(f"{seed} caller {caller}")
    number = 0
    while True:
        jobs = []
        for _ in range(rng.randint(*pace.burst)):
            number += 1
            jobs.append(_job(rng, f"{caller}-{number}"))
        yield jobs, rng.uniform(*pace.between_bursts)


def _job(rng: Random, token: str) -> Job:
    (kind,) = rng.choices(KINDS, [kind.weight for kind in KINDS])
    return Job(kind.name, token, round(rng.uniform(*kind.seconds), 2), rng.randint(*kind.fails), kind.padding)


def blows(seed: int, pace: Pace) -> Iterator[Blow]:
    """What is killed after which pause; without end."""
    rng = Random(f"{seed} blows")
    while True:
        (target,) = rng.choices(list(pace.targets), list(pace.targets.values()))
        yield Blow(rng.uniform(*pace.between_blows), target)


def configuration(folder: str) -> dict[str, list[dict[str, Any]]]:
    """The documents of a run whose marks go to `folder`."""
    kinds = BY_NAME.values()
    return {
        "actions": [_action(kind, folder) for kind in kinds],
        "event_types": [
            {"name": kind.name, "sink_type": SINK_TYPE, "action": kind.name, "retry": dict(kind.retry)}
            for kind in kinds
        ],
        "sources": [{"name": kind.name, "kind": "WEBHOOK", "event_types": [kind.name]} for kind in KINDS],
    }


def _action(kind: Kind, folder: str) -> dict[str, Any]:
    return {
        "name": kind.name,
        "runtime": "python",
        "module": "marks:follow" if kind is FOLLOWER else "marks:work",
        "parameters": [{"name": "folder", "type": "STATIC", "value": folder}],
        "on_success": kind.on_success,
        "on_failure": kind.on_failure,
    }
