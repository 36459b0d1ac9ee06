"""Secrets on a real agent process: the task is given them, and nothing else ever holds them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agent_testing.fake_hub import Answer, Call, FakeHub
from agent_testing.leaks import CANARY, leaks_below, leaks_in, shapes_of
from agent_testing.process import AgentProcess
from agent_testing.waiting import is_alive, read_pid, wait_until

pytestmark = pytest.mark.processes

Start = Callable[..., AgentProcess]
NAMES_A_SECRET = [{"name": "token", "secret": "api-token"}]
LATER = Answer.problem(503, detail="storage does not answer")


@pytest.fixture
def agent(hub: FakeHub, tmp_path: Path, modules: Path) -> Any:
    """Makes an agent for this hub, which has one secret; ends it after the test and looks for the secret everywhere."""
    hub.secrets["api-token"] = CANARY
    made: list[AgentProcess] = []

    def make() -> AgentProcess:
        made.append(AgentProcess(hub.address, tmp_path, modules, "--grace-seconds", "0.3"))
        return made[-1].start()

    yield make
    for one in made:
        one.__exit__(None, None, None)
        assert leaks_below([one.state, tmp_path / "agent.log"], CANARY) == []
    assert [call.path for call in hub.calls if leaks_in(repr(call.said).encode(), CANARY)] == []


def first_of(hub: FakeHub, kind: str, answers: list[Answer]) -> None:
    """The first calls of this kind are answered so, the others as usual."""
    left = list(answers)
    hub.script[kind] = lambda _: left.pop(0) if left else None


def test_the_search_for_leaks_finds_them(tmp_path: Path) -> None:
    for number, shape in enumerate(sorted(shapes_of(CANARY))):
        (tmp_path / f"{number}.txt").write_bytes(b"before " + shape + b" after")
    assert len(leaks_below([tmp_path], CANARY)) >= len(shapes_of(CANARY)) >= 8


def test_a_task_is_given_its_secret_and_whatever_it_says_is_masked(hub: FakeHub, agent: Start) -> None:
    agent()
    task = hub.give(module="leaky:tell", parameters=NAMES_A_SECRET)
    result = hub.wait_result(task)
    assert result["state"] == "SUCCESS"
    assert (result["data"]["length"], result["data"]["in the environment"]) == (len(CANARY), True)
    assert result["data"]["plain"] == "***"
    texts = hub.texts(task)
    assert texts[0] == "plain ***"
    assert texts[1].startswith("in base64 dXNlcj")
    assert all("***" in text for text in texts)
    calls = [call.path.rpartition("/")[2] for call in hub.calls if task["event_id"] in call.path]
    assert calls == ["secrets", "result"]
    assert hub.of("secrets")[0].said == {"token": "lease-token"}


@pytest.mark.parametrize("before", [0, 3940, 3960, 4000])
def test_no_half_of_a_value_is_left_where_a_message_is_cut(hub: FakeHub, agent: Start, before: int) -> None:
    agent()
    result = hub.wait_result(
        hub.give(module="leaky:fail", parameters=NAMES_A_SECRET, payload={"before": before}),
    )
    assert (result["state"], result["code"]) == ("ERROR", "ValueError")
    assert result["message"].startswith("login with *** failed ")
    assert "canary" not in result["message"]


def test_a_task_without_secrets_asks_for_none(hub: FakeHub, agent: Start) -> None:
    agent()
    hub.wait_result(hub.give(module="sample:nothing"))
    assert hub.of("secrets") == []


def test_a_secret_that_is_not_there_ends_the_task_before_it_starts(hub: FakeHub, agent: Start, tmp_path: Path) -> None:
    agent()
    task = hub.give(
        module="leaky:hold", payload={"folder": str(tmp_path)}, parameters=[{"name": "token", "secret": "gone"}]
    )
    result = hub.wait_result(task)
    assert (result["state"], result["code"], result["started"]) == ("ERROR", "SECRET_UNAVAILABLE", False)
    assert "there is no secret gone" in result["message"]
    assert not (tmp_path / "pid").exists()


def test_it_asks_again_while_the_hub_cannot_tell(hub: FakeHub, agent: Start) -> None:
    first_of(hub, "secrets", [LATER, Answer(cut=True), Answer(body={"secrets": [{"name": "x"}]})])
    agent()
    task = hub.give(module="leaky:tell", parameters=NAMES_A_SECRET)
    assert hub.wait_result(task)["state"] == "SUCCESS"
    assert len(hub.of("secrets")) == 4


def test_a_lease_that_has_run_out_is_renewed_before_it_asks_again(hub: FakeHub, agent: Start) -> None:
    hub.lease_seconds = 1.0
    run_out = Answer.problem(409, type="urn:nexomatic:problem:conflict")
    hub.script["secrets"] = lambda call: run_out if call.said["token"] == "lease-token" else None
    agent()
    task = hub.give(module="leaky:tell", parameters=NAMES_A_SECRET)
    assert hub.wait_result(task)["state"] == "SUCCESS"
    first, again = (call.said["token"] for call in hub.of("secrets", task["event_id"]))
    assert first == "lease-token"
    assert again.startswith("renewed-")


def test_a_lease_that_is_over_starts_nothing_and_reports_nothing(hub: FakeHub, agent: Start, tmp_path: Path) -> None:
    hub.script["secrets"] = lambda _: Answer.lease_over("superseded")
    agent()
    task = hub.give(module="leaky:hold", payload={"folder": str(tmp_path)}, parameters=NAMES_A_SECRET)
    hub.wait_call("secrets", task["event_id"])
    after = hub.give(module="sample:nothing")
    hub.wait_result(after)
    assert hub.of("result", task["event_id"]) == []
    assert not (tmp_path / "pid").exists()


def test_an_answer_without_one_of_the_secrets_starts_nothing(hub: FakeHub, agent: Start) -> None:
    hub.script["secrets"] = lambda _: Answer(body={"secrets": [{"name": "other", "value": CANARY}]})
    agent()
    result = hub.wait_result(hub.give(module="leaky:tell", parameters=NAMES_A_SECRET))
    assert (result["code"], result["message"]) == (
        "SECRET_UNAVAILABLE",
        "the hub's answer does not hold the secrets api-token",
    )


def test_kill_9_while_a_task_holds_its_secret_leaves_it_nowhere(hub: FakeHub, agent: Start, tmp_path: Path) -> None:
    one = agent()
    task = hub.give(module="leaky:hold", payload={"folder": str(tmp_path)}, parameters=NAMES_A_SECRET)
    child = read_pid(tmp_path / "pid")
    one.kill()
    held = [path.name for path in (one.state / "work").rglob("*")]
    assert "input.json" in held
    assert leaks_below([one.state, tmp_path / "agent.log"], CANARY) == []
    one.start()
    returned = hub.wait_result(task)
    assert (returned["state"], returned["started"]) == ("RETURNED", True)
    wait_until(lambda: not is_alive(child), "the end of the child")


def test_what_a_task_wrote_to_its_folder_is_gone_before_its_result_is_reported(hub: FakeHub, agent: Start) -> None:
    hub.script["result"] = lambda _: LATER
    one = agent()
    hub.wait_call("result", hub.give(module="leaky:tell", parameters=NAMES_A_SECRET)["event_id"], number=2)
    assert list((one.state / "work").iterdir()) == []
    assert len(list((one.state / "spool").iterdir())) == 1


def test_kill_9_while_it_waits_for_a_secret_hands_back_what_never_started(hub: FakeHub, agent: Start) -> None:
    hub.script["secrets"] = lambda _: LATER
    one = agent()
    task = hub.give(module="leaky:tell", parameters=NAMES_A_SECRET)
    hub.wait_call("secrets", number=2)
    one.kill()
    one.start()
    returned = hub.wait_result(task)
    assert (returned["state"], returned["started"]) == ("RETURNED", False)


def test_secrets_come_last_after_the_confirmation(hub: FakeHub, agent: Start) -> None:
    agent()
    task = hub.give(module="leaky:tell", parameters=NAMES_A_SECRET, confirm=True)
    hub.wait_result(task)
    calls: list[Call] = [call for call in hub.calls if task["event_id"] in call.path]
    assert [call.path.rpartition("/")[2] for call in calls] == ["renew", "secrets", "result"]
    assert calls[1].said["token"] == "renewed-1"


def test_an_agent_that_is_told_to_enrols_with_a_key_and_another_does_not(
    hub: FakeHub, tmp_path: Path, modules: Path
) -> None:
    for name, options in (("plain", ()), ("sealed", ("--seal-secrets", "true"))):
        (tmp_path / name).mkdir()
        with AgentProcess(hub.address, tmp_path / name, modules, *options, command="enroll") as one:
            assert one.wait() == 0
            kept = (one.state / "sealing.json").exists()
        assert kept is (name == "sealed")
    with AgentProcess(hub.address, tmp_path / "plain", modules, "--seal-secrets", "true") as late:
        wait_until(lambda: "enrolled without a key; enrol it again" in late.log(), "the warning")
    plain, sealed = (call.said for call in hub.of("enroll"))
    assert "seal_to" not in plain
    assert len(sealed["seal_to"]) == 44


def test_secrets_that_are_sealed_to_somebody_else_start_nothing(hub: FakeHub, agent: Start) -> None:
    sealed = {"key": "A" * 43 + "=", "ciphertext": "AAAA"}
    bare = [{"name": "api-token", "version": "1", "value": None}]
    hub.script["secrets"] = lambda _: Answer(body={"secrets": bare, "sealed": sealed})
    agent()
    result = hub.wait_result(hub.give(module="leaky:tell", parameters=NAMES_A_SECRET))
    assert (result["code"], result["started"]) == ("SECRET_UNAVAILABLE", False)
    assert "sealed to another key than this sink has" in result["message"]
