"""One fault on everything an agent says, for a while: with work in its hands, and more that comes meanwhile."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import pairwise

from tests.network.rig import Agent, until
from tests.network.rules import TASK_KINDS, Fault, Seen

MOST_KINDS = 3
"""An outage of one sort shows in so many ways at most: as connections that end, and those that cannot be made."""
HELD_SECONDS = 3.0
"""The task in hand ends within the outage: then its result is what has to get through."""


@dataclass(frozen=True, slots=True)
class Outage:
    """What is wrong, for how long, and what may come of it."""

    name: str
    fault: Fault | None
    """None: connections are refused, and those open are reset."""
    seconds: float = 5.0
    unheard: bool = False
    """Poll answers are lost on the way: what was in them runs in a second attempt."""
    quiet: bool = False
    """Calls succeed all the same."""
    tasks: int = 1
    """So many are in hand."""
    held_seconds: float = HELD_SECONDS
    """They take so long."""
    rare: bool = False
    """Much like another: for long runs."""

    def on(self, agent: Agent) -> AbstractContextManager[None]:
        return agent.lane.cut() if self.fault is None else agent.lane.fault(self.fault)


PAUSE = {"Retry-After": "3"}
OUTAGES = (
    Outage("stall before", Fault("stall-before"), seconds=18),
    Outage("stall after", Fault("stall-after"), seconds=6, unheard=True),
    Outage("trickle", Fault("trickle", seconds=0.5), seconds=6, unheard=True),
    Outage("late", Fault("late", seconds=1.0), unheard=True),
    Outage("lost answers", Fault("lose"), unheard=True),
    Outage("half answers", Fault("cut-answer"), unheard=True),
    Outage("reset answers", Fault("reset-answer"), unheard=True, rare=True),
    Outage("truncated documents", Fault("truncate"), unheard=True, rare=True),
    Outage("refused", None, unheard=True),
    Outage("closed", Fault("close-before")),
    Outage("reset", Fault("reset-before")),
    Outage("captive portal", Fault("say-page", status=200)),
    Outage("login page", Fault("redirect")),
    Outage("JSON of somebody else", Fault("say-json", status=200, document={"status": "ok"})),
    Outage("204 of somebody else", Fault("say-json", status=204)),
    Outage("404 of somebody else", Fault("say-json", status=404, document={"message": "no such route"}), rare=True),
    Outage("firewall", Fault("say-page", status=403), rare=True),
    Outage("401", Fault("say", status=401)),
    Outage("403", Fault("say", status=403), rare=True),
    Outage("409", Fault("say", status=409)),
    # The task ends a second before its lease is renewed: of two calls at once neither has heard of the pause.
    Outage("429", Fault("say", status=429, headers=PAUSE), held_seconds=2.0),
    Outage("500", Fault("say", status=500)),
    Outage("502", Fault("say-page", status=502), rare=True),
    Outage("503, twelve tasks", Fault("say", status=503), seconds=7, tasks=12),
    Outage("slow", Fault("slow", seconds=1.0), quiet=True),
    Outage("duplicate", Fault("duplicate", seconds=0.0), unheard=True, quiet=True),
    Outage("duplicate, later", Fault("duplicate", seconds=0.2), unheard=True, quiet=True, rare=True),
)


@dataclass(slots=True)
class Trial:
    """One outage on one agent, and what was seen of it."""

    outage: Outage
    agent: Agent
    held: list[str] = field(default_factory=list)
    meanwhile: str = ""
    lasted: float = 0.0
    seen: list[Seen] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def run(self) -> None:
        """From before the outage until everything is settled and the agent is at rest again."""
        agent, known = self.agent, len(self.agent.process.log())
        self.held = [agent.fire(seconds=self.outage.held_seconds) for _ in range(self.outage.tasks)]
        for event_id in self.held:
            agent.until_started(event_id)
        before, began = len(agent.lane.seen()), time.monotonic()
        with self.outage.on(agent):
            if self.outage.fault is not None:
                until(lambda: any(each.kind == "poll" for each in agent.lane.seen(before)), "a poll in the outage")
            self.meanwhile = agent.fire()
            time.sleep(max(0.0, began + self.outage.seconds - time.monotonic()))
            self.lasted = time.monotonic() - began
            self.seen = agent.lane.seen(before)
        for event_id in [*self.held, self.meanwhile]:
            agent.final(event_id)
        until(lambda: not agent.held(), "nothing in hand")
        until(lambda: self._said("poll")[1] >= min(1, len(self._said("poll")[0])), "the end of the outage in the log")
        self.log = agent.process.log()[known:].splitlines()

    def _said(self, what: str) -> tuple[list[str], int]:
        """What the log says of this watch since the trial began: failures, recoveries."""
        lines = self.log or self.agent.process.log().splitlines()
        failures = [line.split("no success: ")[1] for line in lines if f"{what}: no success" in line]
        return failures, sum(f"{what}: the hub answers again" in line for line in lines)

    def problems(self) -> Iterator[str]:
        """What was not as promised; nothing, if all is well."""
        yield from self._of_events()
        yield from self._of_log("poll")
        yield from self._of_log("calls about tasks")
        yield from self._of_counts()

    def _of_events(self) -> Iterator[str]:
        for event_id in [*self.held, self.meanwhile]:
            event = self.agent.final(event_id)
            outcomes = [each["outcome"] for each in event["attempts"]]
            allowed = [["SUCCESS"]]
            if event_id == self.meanwhile and self.outage.unheard:
                allowed.append(["LOST", "SUCCESS"])
            if event["state"] != "SUCCESS" or outcomes not in allowed:
                yield f"{event_id} ended {event['state']} after {outcomes}"

    def _of_log(self, what: str) -> Iterator[str]:
        failures, recoveries = self._said(what)
        if len(failures) != len(set(failures)) or len(failures) > MOST_KINDS:
            yield f"{what}: said more than once: {failures}"
        if recoveries != min(1, len(failures)):
            yield f"{what}: {len(failures)} failures and {recoveries} recoveries in the log"
        if bool(failures) is self.outage.quiet:
            yield f"{what}: the log says {failures}"

    def _of_counts(self) -> Iterator[str]:
        polls = sum(each.kind == "poll" for each in self.seen)
        if polls > most_polls(self.outage, self.lasted):
            yield f"{polls} polls in {self.lasted:.1f} s"
        yield from self._of_retry_after()
        calls = Counter(each.event for each in self.seen if each.kind in TASK_KINDS)
        for event_id, count in calls.items():
            if count > most_calls(self.lasted):
                yield f"{count} calls about {event_id} in {self.lasted:.1f} s"

    def _of_retry_after(self) -> Iterator[str]:
        """Who asks for time gets it: polls, and the calls about each task, keep apart."""
        asked = float(self.outage.fault.headers.get("Retry-After", 0)) if self.outage.fault else 0.0
        calls: dict[str | None, list[Seen]] = {}
        for each in self.seen:
            calls.setdefault(each.event, []).append(each)
        for event_id, made in calls.items():
            if any(later.at - call.at < asked for call, later in pairwise(made)):
                yield f"asked for {asked} s between calls about {event_id}: {[(each.at, each.kind) for each in made]}"


def most_polls(outage: Outage, seconds: float) -> int:
    """So many polls at most: each wait is twice the one before, three quarters of it with the luckiest jitter.

    One may be on its way when it begins. Where polls succeed all the same, the next introduces nothing and is held, or
    comes back early and waits like those that fail, from half a second on.
    """
    return 2 + tries(seconds, first=0.5 if outage.quiet else 1.0, most=5.0 if outage.quiet else 30.0)


def most_calls(seconds: float) -> int:
    """So many calls about one task at most: a chunk or a renewal, then its result, may each be new to the outage."""
    return 3 + tries(seconds, first=0.5, most=5.0)


def tries(seconds: float, first: float, most: float) -> int:
    """How often a call that fails at once is made in so many seconds, with waits as short as jitter makes them."""
    at, wait, count = 0.0, first, 0
    while at <= seconds:
        at, wait, count = at + 0.75 * wait, min(most, 2 * wait), count + 1
    return count
