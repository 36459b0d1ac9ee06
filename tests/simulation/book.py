"""What people and agents did and were told, as they saw it: the side of the story that storage does not know."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from nexomatic_agent.intents import TaskResult

from hub import wire
from hub.rules import ids
from tests.simulation.scenario import FAILED, Post, Scenario
from tests.simulation.sim_surroundings import Work
from tests.simulation.virtual_loop import EPOCH

Claim: TypeAlias = tuple[str, int]
"""An event's id and the number of its attempt."""


@dataclass
class Span:
    """From when until when an agent had a claim in its hands."""

    sink: str
    since: float
    until: float | None = None


@dataclass(frozen=True)
class Start:
    """A task's process was started."""

    claim: Claim
    sink: str
    at: float


@dataclass(frozen=True)
class Gift:
    """The values of a claim's secrets were given to a sink."""

    claim: Claim
    sink: str
    asked_at: float
    at: float


def id_of(scenario: Scenario, post: Post) -> str:
    """The id that every try of this post derives."""
    at = EPOCH + timedelta(seconds=post.at if post.id_at is None else post.id_at)
    return ids.derived(at, "post", scenario.name, str(scenario.seed), str(post.number), shard="0")


def payload_of(post: Post) -> bytes:
    return json.dumps({"number": post.number, "filling": "x" * post.payload_bytes}).encode()


class Book:
    """The book of one run. A `Ledger` for the agents."""

    def __init__(
        self,
        scenario: Scenario,
        complain: Callable[[str, str], None],
        news: Callable[[], None],
        rerun_of: Callable[[str], str],
    ) -> None:
        """`rerun_of`: of which event an event is the rerun; empty: of none."""
        self._scenario = scenario
        self._news = news
        self._rerun_of = rerun_of
        self._complain = complain
        self._posts = {id_of(scenario, post): post for post in scenario.posts}
        self.acknowledged: dict[str, float] = {}
        self.refused: dict[str, str] = {}
        """Events that no hub would take, and why."""
        self.cancel_answers: dict[str, str] = {}
        """By event: `cancelled` or `too late`."""
        self.rerun_answers: dict[str, str] = {}
        """By event: the id of its rerun, as an admin was told."""
        self.spans: defaultdict[Claim, list[Span]] = defaultdict(list)
        self.starts: list[Start] = []
        self._secrets: dict[Claim, dict[str, str]] = {}
        """What each claim's task is to be started with."""
        self._drained: set[str] = set()
        self._commanded: set[tuple[str, str]] = set()
        """Which sink has taken which command."""
        self.gifts: list[Gift] = []
        self.results: dict[Claim, TaskResult] = {}
        """What the hub said it has recorded."""
        self.wrote: dict[Claim, int] = {}
        """How much log belongs to it, in bytes."""
        self.lost: dict[Claim, str] = {}
        """Leases that agents were told are over, and why."""

    # --- what agents do

    def drained(self, sink: str, drained: bool) -> None:
        """It has taken the command to drain, or to resume."""
        (self._drained.add if drained else self._drained.discard)(sink)

    def commanded(self, sink: str, command_id: str) -> None:
        """It has taken a command that is another than the one before."""
        if (sink, command_id) in self._commanded:
            self._complain("-", f"{sink} took the command {command_id} once more, after another")
        self._commanded.add((sink, command_id))

    def held(self, sink: str, task: wire.Task) -> None:
        if sink in self._drained:
            self._complain(task.event_id, f"it was given to {sink}, which drains and had said so")
        self._check_payload(task)
        named = (each.secret for each in task.parameters if isinstance(each, wire.SecretParameter))
        self._secrets[task.event_id, task.attempt] = {name: self._scenario.secrets[name] for name in named}
        self.spans[task.event_id, task.attempt].append(Span(sink, _now()))

    def resumed(self, sink: str, event_id: str, attempt: int) -> None:
        self.spans[event_id, attempt].append(Span(sink, _now()))

    def died(self, sink: str) -> None:
        """A life of this agent has ended: what it held is in nobody's hands."""
        for spans in self.spans.values():
            for span in spans:
                if span.sink == sink and span.until is None:
                    span.until = _now()
        self._news()

    def given(self, sink: str, event_id: str, attempt: int, asked_at: float) -> None:
        self.gifts.append(Gift((event_id, attempt), sink, asked_at, _now()))

    def child_started(self, sink: str, event_id: str, attempt: int, secrets: Mapping[str, str]) -> None:
        expected = self._secrets.get((event_id, attempt), {})
        if secrets != expected:
            self._complain(event_id, f"attempt {attempt} started with the secrets {secrets} instead of {expected}")
        self.starts.append(Start((event_id, attempt), sink, _now()))

    def recorded(self, sink: str, event_id: str, attempt: int, result: TaskResult, wrote_bytes: int) -> None:
        self.results[event_id, attempt] = result
        if result.state != "RETURNED":  # of an attempt that was cut off, as much is kept as it had sent
            self.wrote[event_id, attempt] = wrote_bytes

    def let_go(self, sink: str, event_id: str, attempt: int, lost: str | None) -> None:
        if lost is not None:
            self.lost[event_id, attempt] = lost
        asyncio.get_running_loop().call_soon(self._news)
        for span in self.spans[event_id, attempt]:
            if span.sink == sink and span.until is None:
                span.until = _now()

    def work_of(self, task: wire.Task) -> Work:
        """The same for the same attempt of the same event, whoever runs it."""
        kind = self._scenario.kind(task.event_type).work
        root = self._posts.get(task.root_id)
        rng = self._scenario.rng(f"work {task.event_type} {root.number if root else task.root_id} {task.attempt}")
        return Work(
            seconds=rng.uniform(*kind.seconds),
            state=rng.choice(kind.ends),
            data={"event": task.event_id, "attempt": task.attempt},
            log_bytes=rng.choice(kind.log_bytes),
            stubborn_seconds=kind.stubborn_seconds,
        )

    # --- what they must be given

    def _check_payload(self, task: wire.Task) -> None:
        post = self._posts.get(self._rerun_of(task.event_id) or task.event_id)
        if post is not None:
            if task.payload != json.loads(payload_of(post)):
                self._complain(task.event_id, f"the payload arrived as {str(task.payload)[:200]}")
            return
        schedule = next((each for each in self._scenario.schedules if each.name == task.source), None)
        if schedule is not None:
            if task.payload != schedule.payload:
                self._complain(task.event_id, f"a schedule's payload arrived as {str(task.payload)[:200]}")
        elif task.event_type == FAILED:
            self._check_alert(task, task.payload)
        else:
            self._check_follow_on(task, task.payload)

    def _check_alert(self, task: wire.Task, payload: Any) -> None:
        if not isinstance(payload, dict) or payload["alert"] != FAILED or payload["event"]["state"] != "ERROR":
            self._complain(task.event_id, f"an alert's payload arrived as {str(payload)[:200]}")

    def _check_follow_on(self, task: wire.Task, payload: Any) -> None:
        if not isinstance(payload, dict) or payload["parent"]["id"] != task.parent_id:
            self._complain(task.event_id, f"a follow-on's payload arrived as {str(payload)[:200]}")
            return
        data = payload["parent"]["result_data"]
        if data is not None and data["event"] != task.parent_id:
            self._complain(task.event_id, f"a follow-on got another event's result: {data}")


def _now() -> float:
    return asyncio.get_running_loop().time()
