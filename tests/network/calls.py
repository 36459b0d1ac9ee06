"""One fault on one kind of call about one task, while all else goes well: many tasks at once in one agent's hands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.network.rig import Agent, until
from tests.network.rules import TASK_KINDS, Fault, Rule, Seen

QUIET_SECONDS = 3.6
"""Long enough for a renewal without lines, a third of a lease after the start."""
LINES, WIDTH = 25, 4000
"""More than may ride on a result, so that they go in chunks of their own."""


@dataclass(frozen=True, slots=True)
class Case:
    """A fault that each kind of call about a task meets, so often."""

    name: str
    fault: Fault
    times: int = 2
    whole_log: bool = True
    """No line is refused on the way."""


SLOW_CASES = tuple(
    Case(fault.name, fault, times=1)
    for fault in (Fault("stall-before"), Fault("stall-after"), Fault("trickle", seconds=0.5))
)
"""Each costs a time-out."""
QUICK_CASES = (
    *(
        Case(fault.name, fault)
        for fault in (
            Fault("close-before"),
            Fault("reset-before"),
            Fault("late", seconds=0.5),
            Fault("lose"),
            Fault("cut-answer"),
            Fault("reset-answer"),
            Fault("truncate"),
            Fault("slow", seconds=1.0),
            Fault("duplicate"),
            Fault("duplicate", seconds=1.0),
            Fault("redirect"),
        )
    ),
    Case("captive portal", Fault("say-page", status=200)),
    Case("JSON of somebody else", Fault("say-json", status=200, document={"status": "ok"})),
    Case("204 of somebody else", Fault("say-json", status=204)),
    Case("404 of somebody else", Fault("say-json", status=404, document={"message": "no such route"})),
    Case("409 of somebody else", Fault("say-json", status=409, document={"reason": "superseded"})),
    Case("413 of somebody else", Fault("say-page", status=413), times=1, whole_log=False),
    Case("firewall", Fault("say-page", status=403)),
    *(Case(str(status), Fault("say", status=status)) for status in (401, 403, 409, 500, 503)),
    Case("429", Fault("say", status=429, headers={"Retry-After": "2"}), times=1),
    Case("502", Fault("say-page", status=502)),
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Tasks in one agent's hands, each with its case."""

    agent: Agent
    cases: dict[str, Case]

    @classmethod
    def fire(cls, agent: Agent, cases: tuple[Case, ...]) -> Batch:
        """One event a case, and its rules. Before the agent is started: it may call as soon as there is an event."""
        found: dict[str, Case] = {}
        for case in cases:
            event_id = agent.fire(seconds=QUIET_SECONDS, lines=LINES, width=WIDTH, bytes=1000)
            agent.lane.add(*(Rule(case.fault, (kind,), event_id, case.times) for kind in TASK_KINDS))
            found[event_id] = case
        return cls(agent, found)

    def problems(self) -> Iterator[str]:
        """What was not as promised, once all are final."""
        events = {event_id: self.agent.final(event_id) for event_id in self.cases}
        until(lambda: not self.agent.held(), "nothing in hand")
        seen = self.agent.lane.seen()
        for event_id, case in self.cases.items():
            calls = [each for each in seen if each.event == event_id]
            for problem in (*self._of_event(events[event_id], case), *_of_calls(calls)):
                yield f"{case.name}: {problem}"

    def _of_event(self, event: dict[str, Any], case: Case) -> Iterator[str]:
        outcomes = [each["outcome"] for each in event["attempts"]]
        if (event["state"], outcomes) != ("SUCCESS", ["SUCCESS"]):
            yield f"{event['state']} after {outcomes}, {event['result_code']}"
        if event["result_data"] != {"attempt": 1, "filling": "y" * 1000}:
            yield "not the task's result"
        texts = [line["text"] for line in self.agent.lines(event["id"])]
        numbers = [int(text.split()[1]) for text in texts if text.startswith("line ")]
        if case.whole_log and numbers != list(range(LINES)):
            yield f"the log holds the lines {numbers}"


def _of_calls(calls: list[Seen]) -> Iterator[str]:
    for kind in TASK_KINDS:
        if not any(each.fault for each in calls if each.kind == kind):
            yield f"no {kind} met the fault"
