"""A bad network between real agents and a real hub: nothing runs twice, nothing is lost, nothing floods."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.network import mix
from tests.network.calls import QUICK_CASES, SLOW_CASES, Batch
from tests.network.outages import OUTAGES, Outage, Trial
from tests.network.rig import Agent, Rig, until
from tests.network.rules import Fault, Rule

pytestmark = [pytest.mark.processes, pytest.mark.timeout(400)]

AGENTS = 7
HOUR = 3600.0


def any_fault_on_any_call_about_a_task(rig: Rig) -> None:
    agent = rig.agent("calls", "--slots", "50", secret=True)

    batch = Batch.fire(agent, (*SLOW_CASES, *QUICK_CASES))
    agent.start()  # now: on a busy machine its first call about an event would be made before the event has its rules

    assert [*batch.problems(), *agent.problems()] == []
    assert agent.lost() == set()


def any_outage_with_work_in_hand_and_more_to_come(rig: Rig) -> None:
    usual = [outage for outage in OUTAGES if not outage.rare]
    agents = [rig.agent(f"outage-{number}", "--slots", "16") for number in range(AGENTS)]

    def try_all(agent: Agent, outages: Sequence[Outage]) -> list[str]:
        agent.start()
        found = []
        for outage in outages:
            trial = Trial(outage, agent)
            trial.run()
            found += [f"{outage.name}: {problem}" for problem in trial.problems()]
        return [*found, *agent.problems()]

    with ThreadPoolExecutor(AGENTS) as pool:
        found = list(pool.map(try_all, agents, [usual[number::AGENTS] for number in range(AGENTS)]))

    assert [problem for each in found for problem in each] == []


def what_is_refused_for_good_is_told_and_kept(rig: Rig) -> None:
    agent = rig.agent("refused", "--slots", "8")
    over = Fault("say", status=409, document={"reason": "superseded"})
    too_large, not_through = Fault("say", status=413), Fault("say-page", status=413)
    rules = {
        agent.fire(seconds=0.5): Rule(too_large, ("result",), times=1),
        agent.fire(seconds=0.5, bytes=100_000): Rule(not_through, ("result",), times=1),
        agent.fire(seconds=8): Rule(over, ("renew",), times=1),
        agent.fire(seconds=0.5): Rule(over, ("result",), times=1),
    }
    agent.lane.add(*(Rule(rule.fault, rule.kinds, event, rule.times) for event, rule in rules.items()))
    agent.start()

    by_hub, by_proxy, stopped, unheard = (agent.final(event) for event in rules)

    for event, words in ((by_hub, "413 Refused: no"), (by_proxy, "does not let 100")):
        assert (event["state"], event["result_code"]) == ("ERROR", "RESULT_REFUSED")
        assert words in event["result_message"]
    assert not agent.runs(stopped["id"], 1, "done"), "a task whose lease is over is stopped"
    for event in (stopped, unheard):
        assert [each["outcome"] for each in event["attempts"]] == ["LOST", "SUCCESS"]
    assert agent.lost() == {f"{event_id}-1" for event_id in rules}
    assert agent.said("the hub did not take the result: superseded") == 2
    assert agent.problems() == []


def an_agent_enrols_once_whatever_becomes_of_the_answers(rig: Rig) -> None:
    faults = (
        Fault("lose"),
        Fault("cut-answer"),
        Fault("duplicate"),
        Fault("say-json", status=200, document={"status": "ok"}),
    )
    agents = [rig.agent(f"new-{number}") for number in range(len(faults))]
    for agent, fault in zip(agents, faults, strict=True):
        agent.lane.rules(Rule(fault, ("enroll",), times=2), Rule(fault, ("poll",), times=1))
        agent.process.start()
    for agent in agents:
        until(lambda agent=agent: "serves this agent" in agent.process.log(), agent.name)  # type: ignore[misc]

    assert all(agent.final(agent.fire())["state"] == "SUCCESS" for agent in agents)
    known = {sink["name"] for sink in rig.hub.client.get("/api/sinks")["items"]}
    assert {agent.name for agent in agents} <= known
    for agent, fault in zip(agents, faults, strict=True):
        failed = int(fault.name != "duplicate")
        assert [agent.said(f"enrolment: {words}") for words in ("no success", "the hub answers again")] == [failed] * 2


def a_seeded_mix_of_everything(rig: Rig) -> None:
    one = rig.agent("mix-1", "--slots", "4").start()
    two = rig.agent("mix-2", "--slots", "2", sink_type="mix-1").start()
    three = rig.agent("mix-3", "--slots", "8", secret=True).start()

    tally = mix.run(rig, [one, two, three], seed=1, seconds=12)

    assert tally.problems == []
    assert tally.events > 10
    assert tally.faults > 5


PARTS: Mapping[str, Callable[[Rig], None]] = {
    part.__name__: part
    for part in (
        any_outage_with_work_in_hand_and_more_to_come,
        any_fault_on_any_call_about_a_task,
        what_is_refused_for_good_is_told_and_kept,
        an_agent_enrols_once_whatever_becomes_of_the_answers,
        a_seeded_mix_of_everything,
    )
}


def test_a_bad_network(tmp_path: Path) -> None:
    """All parts at once, on one hub, each with agents and lanes of its own: most of it is waiting."""
    with Rig(tmp_path) as rig, ThreadPoolExecutor(len(PARTS)) as pool:
        running = {name: pool.submit(part, rig) for name, part in PARTS.items()}
        failed = {name: future.exception() for name, future in running.items()}
    assert failed == dict.fromkeys(PARTS)


def test_a_hub_that_restarts_with_an_older_clock(tmp_path: Path) -> None:
    """By a little, and by an hour: what runs is recorded, what waits runs, nothing twice."""
    with Rig(tmp_path, NEXOMATIC_LEASE_SECONDS="60") as rig:
        agent = rig.agent("clock", "--slots", "2").start()
        for off in (-2.0, -HOUR):
            running = [agent.fire(seconds=3) for _ in range(2)]
            for event_id in running:
                agent.until_started(event_id)
            waiting = [agent.fire() for _ in range(3)]
            rig.hub.stop(signal.SIGKILL)
            rig.hub.start(clock_off_seconds=off)
            for event_id in (*running, *waiting, agent.fire()):
                event = agent.final(event_id)
                assert [each["outcome"] for each in event["attempts"]] == ["SUCCESS"], f"with a clock {off} s off"
        assert agent.problems() == []
        # Said once for each restart that a poll met: an agent with all slots taken may not have polled meanwhile.
        assert agent.said("poll: the hub answers again") == agent.said("poll: no success") <= 2
        assert rig.hub.log().count("the clock was set back by") == 1
