"""What the hub tells an agent to do is done once: by the book that is kept of it, and by a real process."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import pytest
from agent_testing.fake_hub import Call, FakeHub
from agent_testing.process import AgentProcess
from agent_testing.waiting import read_pid
from nexomatic_agent import commands
from nexomatic_agent.agent import Agent
from nexomatic_agent.commands import Commands, is_started_again, known
from nexomatic_agent.config import read_settings
from nexomatic_agent.files import UnreadableDocument
from nexomatic_agent.identity import Identity
from nexomatic_agent.interpreter import find_interpreter
from nexomatic_agent.service import TOLD_TO_RESTART, TOLD_TO_STOP


def book(folder: Path, begun: Optional[list[str]] = None) -> Commands:
    """As a process finds it at its start."""
    return Commands(folder, (begun if begun is not None else []).append, known(started_again=False))


def state_of(found: Commands, empty: bool = False) -> Optional[str]:
    said = found.status(empty)
    return None if said is None else said["state"]


def test_a_command_is_begun_once_however_often_it_is_given(tmp_path: Path) -> None:
    begun: list[str] = []
    found = book(tmp_path, begun)
    assert found.status(empty=True) is None
    assert [found.take("drain", "1"), found.take("drain", "1"), found.take("drain", "2")] == [True, False, True]
    assert begun == ["drain", "drain"]
    assert found.status(empty=False) == {"id": "2", "command": "drain", "state": "TAKEN"}
    assert [state_of(found, empty=True), state_of(found)] == ["DONE", "DONE"]


@pytest.mark.parametrize("command", ["restart", "stop"])
def test_the_next_process_has_done_it_and_does_not_do_it_again(tmp_path: Path, command: str) -> None:
    first = book(tmp_path)
    first.take(command, "1")
    assert (first.ending, state_of(first, empty=True)) == (command, "TAKEN")
    begun: list[str] = []
    second = book(tmp_path, begun)
    assert (second.ending, state_of(second)) == (None, "DONE")
    assert not second.take(command, "1")
    assert begun == []


def test_drained_it_stays_through_restarts_until_it_is_resumed(tmp_path: Path) -> None:
    book(tmp_path).take("drain", "1")
    book(tmp_path).take("restart", "2")
    third = book(tmp_path)
    assert third.drained
    third.take("resume", "3")
    assert (third.drained, state_of(third), book(tmp_path).drained) == (False, "DONE", False)


def test_what_cannot_be_kept_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(commands, "write_document", full)
    begun: list[str] = []
    found = book(tmp_path, begun)
    assert found.take("restart", "1")
    assert (begun, found.ending, state_of(found)) == ([], None, "FAILED")


def test_an_unknown_command_is_nothing_and_in_kubernetes_there_is_no_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Commands(tmp_path, lambda _: None, known(started_again=True))
    assert [found.take("explode", "1"), found.take("stop", "2")] == [False, False]
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert is_started_again()
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    assert not is_started_again()


def test_a_damaged_book_is_said(tmp_path: Path) -> None:
    (tmp_path / "command.json").write_text('{"format": 1, "id": "1"}\n')
    with pytest.raises(UnreadableDocument, match="command"):
        book(tmp_path)


def test_an_agent_that_ends_does_not_take_work_again(hub: FakeHub, tmp_path: Path, modules: Path) -> None:
    settings = read_settings({"state": str(tmp_path / "state"), "modules": str(modules)}, {})
    identity = Identity(hub.address, "alpha", "PYTHON:BASE", "credential")
    agent = Agent(settings, identity, find_interpreter(None), lambda _: None)
    agent.drain()
    assert agent.commands.take("resume", "1")
    assert [call.said["draining"] for call in [hub.wait_call("poll")]] == [True]
    assert agent._polling.said()["slots"] == 0
    agent.stop()


@pytest.mark.processes
def test_a_real_agent_drains_resumes_restarts_and_stops(hub: FakeHub, tmp_path: Path, modules: Path) -> None:
    def says(state: str, command_id: str, **fields: Any) -> Any:
        wanted = {"state": state, "id": command_id}

        def found() -> list[Call]:
            return [
                call
                for call in hub.of("poll")
                if wanted.items() <= (call.said.get("command") or {}).items() and fields.items() <= call.said.items()
            ]

        return hub.wait_for(found, f"{state} of {command_id} with {fields}")

    with AgentProcess(hub.address, tmp_path, modules, "--drain-seconds", "30") as agent:
        first = hub.wait_call("poll").said
        assert first["capabilities"]["commands"] == ["drain", "resume", "restart", "stop"]
        task = hub.give(module="sample:wait", payload={"folder": str(tmp_path)})
        read_pid(tmp_path / "pid-1")
        hub.order("drain", "1")
        says("TAKEN", "1", draining=True, leaving=False, slots=0)
        untouched = hub.give(module="sample:nothing")
        (tmp_path / "go").touch()
        assert hub.wait_result(task)["state"] == "SUCCESS"
        says("DONE", "1", draining=True, running=[])
        hub.order("restart", "2")
        assert agent.wait() == TOLD_TO_RESTART
        agent.start()
        assert says("DONE", "2")[0].said["draining"]  # it has not forgotten that it drains
        hub.order("restart", "2")  # given again, and again: it stays
        hub.order("restart", "2")
        hub.order("resume", "3")
        assert hub.of("result", untouched["event_id"]) == []
        says("DONE", "3", draining=False)
        assert hub.wait_result(untouched)["state"] == "SUCCESS"
        hub.order("stop", "4")
        assert agent.wait() == TOLD_TO_STOP
        says("DONE", "4", draining=True, leaving=True)
    instances = {call.said["instance"] for call in hub.of("poll")}
    assert len(instances) == 2
