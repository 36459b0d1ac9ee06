"""A real agent process against a hub on a real socket: its whole life, with kill -9 in between."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agent_testing.fake_hub import Answer, Call, FakeHub
from agent_testing.process import AgentProcess
from agent_testing.waiting import is_alive, read_pid, wait_until

pytestmark = pytest.mark.processes

Start = Callable[..., AgentProcess]


@pytest.fixture
def agent(hub: FakeHub, tmp_path: Path, modules: Path) -> Any:
    """Makes an agent for this hub; ends it after the test."""
    made: list[AgentProcess] = []

    def make(*options: str) -> AgentProcess:
        made.append(AgentProcess(hub.address, tmp_path, modules, "--grace-seconds", "0.3", *options))
        return made[-1].start()

    yield make
    for one in made:
        one.__exit__(None, None, None)


def held_files(agent: AgentProcess) -> list[str]:
    """What of tasks is on the agent's disk."""
    folders = ("journal", "spool", "work")
    return sorted(str(path.relative_to(agent.state)) for name in folders for path in (agent.state / name).iterdir())


def test_it_enrols_polls_runs_and_reports(hub: FakeHub, agent: Start) -> None:
    one = agent("--name", "alpha")
    assert hub.wait_call("enroll").said["name"] == "alpha"
    first = hub.wait_call("poll")
    assert first.authorization == "Bearer " + "c" * 43
    assert first.said["capabilities"]["runtimes"][:3] == ["python", "shell", "exec"]
    assert {"sample", "plain.sh"} <= set(first.said["capabilities"]["modules"])
    task = hub.give(module="sample:echo")
    result = hub.wait_result(task)
    assert (result["state"], result["token"], result["started"]) == ("SUCCESS", "lease-token", True)
    assert hub.texts(task) == ["hello"]
    after = len(hub.of("poll"))
    hub.wait_for(lambda: [] in [call.said["running"] for call in hub.of("poll")[after:]], "a poll that holds nothing")
    assert "capabilities" not in hub.of("poll")[-1].said
    wait_until(lambda: held_files(one) == [], "no file of the task left")


def test_an_idle_agent_is_light(hub: FakeHub, agent: Start) -> None:
    one = agent()
    hub.wait_call("poll", number=3)
    status = Path(f"/proc/{one.pid}/status").read_text()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    assert resident <= 32 * 1024


def test_files_are_open_to_their_owner_only(hub: FakeHub, agent: Start, tmp_path: Path) -> None:
    one = agent()
    hub.give(module="sample:wait", payload={"folder": str(tmp_path)})
    read_pid(tmp_path / "pid-1")
    paths = [one.state, *one.state.rglob("*")]
    assert len(paths) > 8
    assert [path for path in paths if path.stat().st_mode & 0o077 and "work/" not in str(path)] == []
    assert (one.state / "identity.json").stat().st_mode & 0o777 == 0o600


# --- kill -9


def test_after_kill_9_the_task_is_killed_and_handed_back_before_the_first_poll(
    hub: FakeHub, agent: Start, tmp_path: Path
) -> None:
    one = agent()
    task = hub.give(module="stubborn.sh", runtime="shell", parameters=[{"name": "folder", "value": str(tmp_path)}])
    grandchild = read_pid(tmp_path / "grandchild")
    wait_until(lambda: len(held_files(one)) >= 3, "journal, process and work folder")
    one.kill()
    assert is_alive(grandchild)
    before = len(hub.calls)
    one.start()
    returned = hub.wait_result(task)
    assert (returned["state"], returned["started"]) == ("RETURNED", True)
    assert not is_alive(grandchild)
    hub.wait_for(lambda: any(call.path == "/agent/poll" for call in hub.calls[before:]), "poll after the restart")
    assert [call.path.rpartition("/")[2] for call in hub.calls[before:]][:2] == ["result", "poll"]
    assert held_files(one) == []


def test_the_next_start_sweeps_what_was_half_written(hub: FakeHub, agent: Start) -> None:
    one = agent()
    hub.wait_call("poll")
    one.kill()
    half = [one.state / name for name in (".instance.json.01234567.tmp", "journal/.E-1.json.01234567.tmp")]
    for path in half:
        path.write_text("{")
    polls = len(hub.of("poll"))
    one.start()
    hub.wait_call("poll", number=polls + 1)
    assert [path for path in half if path.exists()] == []


def test_each_start_names_the_instance_it_replaces(hub: FakeHub, agent: Start) -> None:
    one = agent()
    first = hub.wait_call("poll").said
    hub.wait_call("poll", number=2)
    one.kill()
    one.start()
    hub.wait_for(lambda: hub.of("poll")[-1].said["instance"] != first["instance"], "poll of a new instance")
    assert "replaces" not in first
    assert hub.of("poll")[-1].said["replaces"] == first["instance"]


def test_a_task_not_yet_confirmed_is_handed_back_as_never_started(hub: FakeHub, agent: Start) -> None:
    hub.script["renew"] = lambda _: Answer(503, {"title": "Later"})
    one = agent()
    task = hub.give(module="sample:nothing", confirm=True)
    hub.wait_call("renew", task["event_id"])
    one.kill()
    one.start()
    assert hub.wait_result(task)["started"] is False


def test_a_result_is_delivered_after_a_restart_when_the_hub_is_back(hub: FakeHub, agent: Start, tmp_path: Path) -> None:
    one = agent()
    task = hub.give(module="sample:wait", payload={"folder": str(tmp_path)})
    read_pid(tmp_path / "pid-1")
    hub.close()
    (tmp_path / "go").touch()
    wait_until((one.state / "spool" / f"{task['event_id']}-1.json").exists, "a spooled result")
    one.kill()
    one.start()
    wait_until(lambda: "delivering its result" in one.log(), "the agent's start")
    hub.open()
    result = hub.wait_result(task)
    assert (result["state"], result["data"]) == ("SUCCESS", "went on")
    wait_until(lambda: held_files(one) == [], "no file of the task left")


def test_a_damaged_journal_does_not_stop_the_start(hub: FakeHub, agent: Start) -> None:
    one = agent()
    hub.wait_call("poll")
    one.kill()
    (one.state / "journal" / "E-1.json").write_text("{")
    (one.state / "journal" / "F-1.json").write_text('{"format": 99}')
    polls = len(hub.of("poll"))
    one.start()
    hub.wait_call("poll", number=polls + 1)
    task = hub.give(module="sample:nothing")
    assert hub.wait_result(task)["state"] == "SUCCESS"
    assert one.log().count("is left where it is") == 2


# --- while it runs


def test_the_hub_goes_away_and_comes_back_while_a_task_runs(hub: FakeHub, agent: Start, tmp_path: Path) -> None:
    hub.lease_seconds = 0.3
    agent()
    task = hub.give(module="sample:wait", payload={"folder": str(tmp_path)})
    hub.wait_call("renew", task["event_id"])
    hub.close()
    (tmp_path / "go").touch()
    hub.open()
    assert hub.wait_result(task)["state"] == "SUCCESS"


def test_a_renewal_refused_stops_the_child_and_reports_nothing(hub: FakeHub, agent: Start, tmp_path: Path) -> None:
    hub.lease_seconds = 0.3
    one = agent()
    task = hub.give(module="sample:wait", payload={"folder": str(tmp_path)})
    child = read_pid(tmp_path / "pid-1")
    hub.script["renew"] = lambda _: Answer.lease_over("superseded")
    wait_until(lambda: not is_alive(child), "the child's end")
    wait_until(lambda: held_files(one) == [], "no file of the task left")
    assert hub.of("result", task["event_id"]) == []
    kept = json.loads((one.state / "lost" / f"{task['event_id']}-1.json").read_text())
    assert kept["reason"] == "superseded"


def test_a_cancel_heard_by_a_poll_stops_the_child_at_once(hub: FakeHub, agent: Start, tmp_path: Path) -> None:
    agent("--slots", "2")
    task = hub.give(module="sample:wait", payload={"folder": str(tmp_path)})
    child = read_pid(tmp_path / "pid-1")
    hub.script["renew"] = lambda _: Answer.lease_over("cancelled")
    hub.cancel(task["event_id"])
    wait_until(lambda: not is_alive(child), "the child's end")
    assert hub.of("result", task["event_id"]) == []


def test_a_timeout_kills_a_grandchild_with_a_session_of_its_own(hub: FakeHub, agent: Start, tmp_path: Path) -> None:
    agent()
    folder = [{"name": "folder", "value": str(tmp_path)}]
    task = hub.give(module="stubborn.sh", runtime="shell", parameters=folder, timeout_seconds=1)
    grandchild = read_pid(tmp_path / "grandchild")
    result = hub.wait_result(task)
    assert (result["state"], result["code"]) == ("ERROR", "TIMEOUT")
    assert not is_alive(grandchild)


def test_work_that_must_not_start_twice_waits_for_its_renewal(hub: FakeHub, agent: Start, tmp_path: Path) -> None:
    refusals = iter([Answer.page(502), Answer(cut=True)])
    hub.script["renew"] = lambda _: next(refusals, None)
    agent()
    (tmp_path / "go").touch()
    task = hub.give(module="sample:wait", payload={"folder": str(tmp_path)}, confirm=True)
    assert hub.wait_result(task)["token"].startswith("renewed-")
    assert len(hub.of("renew", task["event_id"])) == 3
    kinds = [call.path.rpartition("/")[2] for call in hub.calls if task["event_id"] in call.path]
    assert kinds == ["renew", "renew", "renew", "result"]


def test_an_attempt_handed_out_twice_runs_once(hub: FakeHub, agent: Start, tmp_path: Path) -> None:
    one = agent()
    task = hub.give(module="sample:wait", payload={"folder": str(tmp_path)})
    read_pid(tmp_path / "pid-1")
    with hub.changed:
        hub.tasks.append(task)
        hub.changed.notify_all()
    wait_until(lambda: "handed out again" in one.log(), "the second copy")
    (tmp_path / "go").touch()
    hub.wait_result(task)
    wait_until(lambda: held_files(one) == [], "no file of the task left")
    assert len(hub.of("result", task["event_id"])) == 1


def test_a_task_it_cannot_read_does_not_cost_it_the_others(hub: FakeHub, agent: Start) -> None:
    hub.hold = 0.0
    with hub.changed:
        hub.tasks.append({"event_id": "../../etc", "token": "x"})
    good = hub.give(module="sample:nothing")
    one = agent()
    assert hub.wait_result(good)["state"] == "SUCCESS"
    assert "cannot be read" in one.log()


def test_slots_bound_what_runs_and_a_full_agent_still_polls(hub: FakeHub, agent: Start, tmp_path: Path) -> None:
    agent("--slots", "1")
    first = hub.give(module="sample:wait", payload={"folder": str(tmp_path)})
    second = hub.give(module="sample:nothing")
    read_pid(tmp_path / "pid-1")
    full = hub.wait_for(
        lambda: [call.said for call in hub.of("poll") if call.said["slots"] == 0], "a poll without a slot"
    )
    assert full[0]["running"] == [first["event_id"]]
    assert hub.of("result") == []
    (tmp_path / "go").touch()
    assert hub.wait_result(second)["state"] == "SUCCESS"


def test_a_poll_without_a_slot_is_let_go_when_a_slot_comes_free(hub: FakeHub, agent: Start, tmp_path: Path) -> None:
    hub.hold = 50.0
    agent("--slots", "1")
    hub.give(module="sample:wait", payload={"folder": str(tmp_path)})
    hub.wait_for(lambda: any(call.said["slots"] == 0 for call in hub.of("poll")), "a poll without a slot")
    (tmp_path / "go").touch()
    second = hub.give(module="sample:nothing")
    assert hub.wait_result(second)["state"] == "SUCCESS"


def test_a_watched_log_is_streamed_while_the_task_runs(hub: FakeHub, agent: Start, tmp_path: Path) -> None:
    hub.lease_seconds, hub.watched = 0.3, True
    agent()
    task = hub.give(module="sample:say_and_wait", payload={"folder": str(tmp_path)})
    hub.wait_call("logs", task["event_id"])
    assert hub.texts(task) == ["still here"]
    (tmp_path / "go").touch()
    hub.wait_result(task)


def test_much_log_arrives_whole_and_in_order_through_a_bad_line(hub: FakeHub, agent: Start, tmp_path: Path) -> None:
    answers = iter([Answer.page(502), None, Answer(cut=True), Answer(503, {}), None])
    hub.script["logs"] = lambda _: next(answers, None)
    agent("--modules", str(tmp_path))
    (tmp_path / "count.sh").write_text("seq 1 20000\n")
    task = hub.give(module="count.sh", runtime="shell")
    hub.wait_result(task)
    assert hub.texts(task) == [str(number) for number in range(1, 20_001)]


def test_a_result_the_hub_will_not_take_is_recorded_as_an_error(hub: FakeHub, agent: Start) -> None:
    def refuse_data(call: Call) -> Any:
        return Answer.problem(413, title="Too large", detail="at most 10 bytes") if call.said["data"] else None

    hub.script["result"] = refuse_data
    agent()
    task = hub.give(module="sample:echo")
    second = hub.wait_result(task, number=2)
    assert (second["state"], second["code"]) == ("ERROR", "RESULT_REFUSED")
    assert "at most 10 bytes" in second["message"]


# --- stopping


def test_sigterm_waits_for_the_tasks_at_hand_and_takes_no_new_one(hub: FakeHub, agent: Start, tmp_path: Path) -> None:
    one = agent()
    task = hub.give(module="sample:wait", payload={"folder": str(tmp_path)})
    read_pid(tmp_path / "pid-1")
    one.signal()
    hub.wait_for(lambda: any(call.said["draining"] for call in hub.of("poll")), "a draining poll")
    untouched = hub.give(module="sample:nothing")
    (tmp_path / "go").touch()
    assert hub.wait_result(task)["state"] == "SUCCESS"
    assert one.wait() == 0
    assert hub.of("result", untouched["event_id"]) == []


@pytest.mark.parametrize("patience", ["a second signal", "the end of drain_seconds"])
def test_what_does_not_end_in_time_is_stopped_and_handed_back(
    hub: FakeHub, agent: Start, tmp_path: Path, patience: str
) -> None:
    drain_seconds = "600" if patience == "a second signal" else "0.1"
    one = agent("--drain-seconds", drain_seconds, "--grace-seconds", "60")
    task = hub.give(module="sample:wait", payload={"folder": str(tmp_path)})
    child = read_pid(tmp_path / "pid-1")
    one.signal()
    if patience == "a second signal":
        hub.wait_for(lambda: any(call.said["draining"] for call in hub.of("poll")), "a draining poll")
        one.signal(signal.SIGINT)
    returned = hub.wait_result(task)
    assert (returned["state"], returned["started"]) == ("RETURNED", True)
    assert one.wait() == 0
    assert not is_alive(child)
    assert (tmp_path / "finally").exists()
    assert held_files(one) == []


def test_a_stopping_agent_leaves_what_it_cannot_deliver_for_its_next_start(
    hub: FakeHub, agent: Start, tmp_path: Path
) -> None:
    one = agent()
    task = hub.give(module="sample:wait", payload={"folder": str(tmp_path)})
    read_pid(tmp_path / "pid-1")
    hub.close()
    (tmp_path / "go").touch()
    one.signal()
    assert one.wait() == 0
    hub.open()
    one.start()
    assert hub.wait_result(task)["data"] == "went on"


# --- what it refuses


def test_two_agents_on_one_folder_are_refused(hub: FakeHub, agent: Start) -> None:
    one = agent()
    hub.wait_call("poll")
    second = agent()
    assert second.wait() == 5
    assert "another agent runs on the state folder" in second.log()
    assert is_alive(one.pid)


def test_it_keeps_its_credential_from_another_hub(hub: FakeHub, agent: Start, tmp_path: Path, modules: Path) -> None:
    one = agent()
    hub.wait_call("poll")
    one.kill()
    with AgentProcess("https://elsewhere.example", tmp_path, modules) as other:
        assert other.wait() == 2
        assert "enrolled with" in other.log()


def test_an_unknown_credential_is_said_once_and_tried_again_later(hub: FakeHub, agent: Start) -> None:
    hub.script["poll"] = lambda _: Answer.problem(401, title="Unknown credential")
    one = agent()
    hub.wait_call("poll")
    wait_until(lambda: "Unknown credential" in one.log(), "the refusal in the log")
    assert len(hub.of("poll")) == 1
    assert is_alive(one.pid)


def test_an_enrolment_whose_answer_is_lost_is_repeated_as_it_was(hub: FakeHub, agent: Start) -> None:
    """Also by the agent's next life: what it sends again, the hub answers again."""
    hub.script["enroll"] = lambda _: Answer(cut=True)
    one = agent()
    hub.wait_call("enroll", number=2)
    one.kill()
    calls = len(hub.of("enroll"))
    one.start()
    hub.wait_call("enroll", number=calls + 1)
    del hub.script["enroll"]
    hub.wait_call("poll")
    assert {call.said["nonce"] for call in hub.of("enroll")} == {hub.of("enroll")[0].said["nonce"]}
    assert not (one.state / "enrolment.json").exists()
    assert [one.log().count(words) for words in ("enrolment: no success", "enrolment: the hub answers again")] == [2, 1]


def test_another_enrolment_is_not_taken_for_the_one_under_way(hub: FakeHub, tmp_path: Path, modules: Path) -> None:
    hub.script["enroll"] = lambda _: Answer.problem(401, title="No")
    for token in ("first" * 9, "second" * 9):
        with AgentProcess(hub.address, tmp_path, modules, command="enroll", token=token) as one:
            assert one.wait() == 1
    first, second = (call.said["nonce"] for call in hub.of("enroll"))
    assert first != second


def test_enrolling_twice_needs_a_word(hub: FakeHub, tmp_path: Path, modules: Path) -> None:
    codes = []
    for options in ((), (), ("--again",)):
        with AgentProcess(hub.address, tmp_path, modules, *options, command="enroll") as one:
            codes.append(one.wait())
    assert codes == [0, 4, 0]
    assert len(hub.of("enroll")) == 2
