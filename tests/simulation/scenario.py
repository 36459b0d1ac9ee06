"""What a run is about: hubs, sinks, event types, events, and what people do to them. All of it data, drawn from a seed.

The seed and the scenario's kind say everything: the same two give the same run, fault for fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hub.model.configuration import Action, EventType, RetryPolicy, Runtime, ScheduleSource, SinkType
from hub.model.sink import Command
from tests.simulation.faults import Outage

POOL = "SIM:POOL"
FAILED = "HUB.FAILED"
"""The alert that somebody has failed, if the scenario has an event type of that name."""
MINUTE = 60.0
HOUR = 3600.0
DAY = 86_400.0


@dataclass(frozen=True)
class WorkKind:
    """What the tasks of an event type do: for how long, how they end (drawn by weight), how much they log."""

    seconds: tuple[float, float] = (0.5, 3.0)
    ends: tuple[str, ...] = ("SUCCESS",)
    log_bytes: tuple[int, ...] = (0,)
    stubborn_seconds: float = 0.0
    """How long they go on when they are told to stop."""


@dataclass(frozen=True)
class Kind:
    """An event type with its action, and what its tasks do."""

    event_type: EventType
    action: Action
    work: WorkKind

    @property
    def name(self) -> str:
        return self.event_type.name


def kind(
    name: str,
    work: WorkKind | None = None,
    *,
    retry: RetryPolicy | None = None,
    edges: Mapping[str, str] | None = None,
    timeout_seconds: int = 60,
    sink_type: str = POOL,
    secrets: tuple[str, ...] = (),
    **event_type: Any,
) -> Kind:
    """An event type and an action of the same name. `edges`: `on_success` and so on, to event types.

    `secrets`: names of secrets that its tasks need.
    """
    action = Action.model_validate(
        {
            "name": name.lower(),
            "runtime": Runtime.PYTHON,
            "module": "sim:run",
            "timeout_seconds": timeout_seconds,
            "parameters": [
                {"name": f"p{index}", "type": "SECRET", "value": name} for index, name in enumerate(secrets)
            ],
            **(edges or {}),
        }
    )
    document = EventType(name=name, sink_type=sink_type, action=action.name, retry=retry or RetryPolicy(), **event_type)
    return Kind(document, action, work or WorkKind())


@dataclass(frozen=True)
class Post:
    """One event, posted by a caller who repeats it under the same id until it is acknowledged."""

    number: int
    kind: str
    at: float
    not_before: float | None = None
    """On the run's time."""
    cancel_at: float | None = None
    """When an admin wants it cancelled, and repeats that until answered."""
    watched_at: float | None = None
    """When somebody begins to read its log, every few seconds: each reading may change the row."""
    rerun_at: float | None = None
    """When an admin wants it run again as it was, once it has ended, and repeats that under one key until answered."""
    payload_bytes: int = 0
    id_at: float | None = None
    """The time its derived id carries, when it is not that of the post: a schedule catching up."""


@dataclass(frozen=True)
class Pool:
    """One agent, as a service manager keeps it."""

    name: str
    capacity: int = 4
    begins: float = 0.0
    sink_type: str = POOL
    stalls: tuple[tuple[float, float], ...] = ()
    """When its machine stands still, and for how long."""
    drains: tuple[tuple[float, bool], ...] = ()
    """When it is told to stop, and whether it hands back what runs. It is started again some seconds later."""
    commands: tuple[tuple[float, Command], ...] = ()
    """When an admin tells it what by the hub; the last is not drain."""


@dataclass(frozen=True)
class Scenario:
    """Everything but the faults."""

    name: str
    seed: int
    kinds: tuple[Kind, ...]
    posts: tuple[Post, ...] = ()
    pools: tuple[Pool, ...] = (Pool("sink-a"),)
    hubs: tuple[float, ...] = (0.0,)
    """Each hub's clock: seconds ahead of storage's."""
    outages: tuple[Outage, ...] = ()
    tick_seconds: float | None = MINUTE
    """How often the timer fires; None: never, or at the times of `tick_at`."""
    tick_at: tuple[float, ...] = ()
    retention_days: float | None = None
    horizon: float = 2 * HOUR
    """A run that is not settled by then has failed."""
    restart_seconds: tuple[float, float] = (0.5, 2.0)
    """How long a killed process stays away."""
    most_wait: float | None = None
    """How long any event may wait in all, where that is known better than from the faults."""
    healthy: bool = False
    """No agent dies or stands still: none may lose what it holds."""
    most_messages: int = 7
    """For one event."""
    schedules: tuple[ScheduleSource, ...] = ()
    """Put when the run begins. None of their ticks may be lost, so all that is missed is to be caught up."""
    terms: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the hub's usual `Terms`."""

    @property
    def sink_types(self) -> tuple[SinkType, ...]:
        names = {each.event_type.sink_type for each in self.kinds} | {pool.sink_type for pool in self.pools}
        return tuple(SinkType(name=name) for name in sorted(names))

    @property
    def secrets(self) -> dict[str, str]:
        """Every secret that a kind's tasks need, with its value."""
        needed = [each.value for kind in self.kinds for each in kind.action.parameters]
        return {name: f"the value of {name}" for name in sorted(set(needed))}

    @property
    def ample(self) -> bool:
        """Whether any one agent could run everything at once, so that nothing ever waits for another event's end."""
        chained = 2 if any(each.action.on_success or each.action.on_failure for each in self.kinds) else 1
        chained += any(each.name == FAILED for each in self.kinds)
        asked_for = len(self.posts) + sum(post.rerun_at is not None for post in self.posts)
        return min(pool.capacity for pool in self.pools) >= chained * asked_for

    def kind(self, name: str) -> Kind:
        return next(each for each in self.kinds if each.name == name)

    def rng(self, purpose: str) -> Random:
        """Random numbers of this run for one purpose, independent of every other purpose."""
        return Random(f"{self.name}/{self.seed}/{purpose}")
