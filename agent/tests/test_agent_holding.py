"""An attempt in the agent's hands, within this process: what its threads do, and what is kept of it afterwards."""

from __future__ import annotations

import errno
import gc
import math
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_testing.fake_hub import FakeHub
from agent_testing.waiting import read_pid, wait_until
from nexomatic_agent import holding, runner
from nexomatic_agent.agent import Agent
from nexomatic_agent.clearing import Clearing
from nexomatic_agent.client import Client
from nexomatic_agent.config import read_settings
from nexomatic_agent.identity import Identity
from nexomatic_agent.interpreter import find_interpreter
from nexomatic_agent.journal import Journal
from nexomatic_agent.work_folder import WorkFolders


@pytest.fixture
def agent(hub: FakeHub, tmp_path: Path, modules: Path) -> Iterator[Agent]:
    """An agent with one slot, not started yet."""
    settings = read_settings({"state": str(tmp_path / "state"), "modules": str(modules), "slots": "1"}, {})
    identity = Identity(hub.address, "alpha", "PYTHON:BASE", "credential")
    made = Agent(settings, identity, find_interpreter(None), lambda _: None)
    yield made
    made.drain()
    made.stop()


def test_a_result_does_not_wait_for_a_million_files_to_be_removed_but_the_slot_does(
    hub: FakeHub, agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, may, go_on = tmp_path / "state" / "work", threading.Event(), Clearing.go_on

    def slowly(clearing: Clearing, most: float = math.inf) -> None:
        assert most < math.inf or may.wait(60)
        go_on(clearing, most)

    monkeypatch.setattr(Clearing, "go_on", slowly)
    monkeypatch.setattr(holding, "REMOVED_FIRST", 2)
    agent.start()
    task = hub.give(module="nasty_folder:many_files", payload={"files": 10})
    assert hub.wait_result(task)["state"] == "SUCCESS"
    assert not agent.wait_idle(0.2)
    assert len([path for path in work.rglob("*") if path.is_file()]) >= 10
    may.set()
    assert agent.wait_idle(15)
    assert list(work.iterdir()) == []


def test_a_folder_of_the_usual_size_is_gone_before_the_result_is_reported(
    hub: FakeHub, agent: Agent, tmp_path: Path
) -> None:
    seen: list[list[Path]] = []
    hub.script["result"] = lambda _: seen.append(list((tmp_path / "state" / "work").iterdir()))
    agent.start()
    hub.wait_result(hub.give(module="nasty_folder:many_files", payload={"files": 100}))
    wait_until(lambda: seen, "the result")
    assert seen == [[]]


@pytest.mark.parametrize("full", ["the claim", "the task's folder", "its input"])
def test_a_task_that_has_no_room_on_the_disk_is_handed_back_unstarted(
    hub: FakeHub, agent: Agent, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if full == "the claim":
        monkeypatch.setattr(Journal, "write", no_room)
    elif full == "its input":
        monkeypatch.setattr(runner, "write_bytes", no_room)
    else:
        monkeypatch.setattr(WorkFolders, "make", no_room)
    agent.start()
    said = hub.wait_result(hub.give(module="sample:nothing"))
    assert (said["state"], said["started"]) == ("RETURNED", False)
    assert said["message"] == "the agent could not write to its disk: [Errno 28] No space left on device"
    assert agent.wait_idle(15)
    assert agent._holdings.free == 0, "it takes nothing for a while"


def test_without_a_thread_to_be_had_the_task_ends_with_an_error_in_words(
    hub: FakeHub, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def none_left(thread: threading.Thread) -> None:
        if thread.name.startswith("task-"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", none_left)
    agent.start()
    said = hub.wait_result(hub.give(module="sample:nothing"))
    assert (said["state"], said["code"]) == ("ERROR", "START_FAILED")
    assert "can't start new thread" in said["message"]
    assert agent.wait_idle(15)
    monkeypatch.undo()
    assert hub.wait_result(hub.give(module="sample:nothing"))["state"] == "SUCCESS"


def test_a_call_that_fails_as_nobody_expected_is_made_again(
    hub: FakeHub, agent: Agent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without any answer the task would be in the agent's hands for ever, and so would its slot."""
    report, failures = Client.result, [ZeroDivisionError("a mistake of the agent's")]

    def mistaken(*arguments: Any) -> None:
        if failures:
            raise failures.pop()
        report(*arguments)

    monkeypatch.setattr(Client, "result", mistaken)
    agent.start()
    assert hub.wait_result(hub.give(module="sample:nothing"))["state"] == "SUCCESS"
    assert agent.wait_idle(15)
    assert "the agent failed to make the call report" in caplog.text


def test_nothing_of_a_task_is_kept_when_it_is_settled(hub: FakeHub, agent: Agent, tmp_path: Path) -> None:
    """The clock remembers until when its lease would have lasted; payload, log and result need not wait for that."""
    hub.lease_seconds = 3000
    agent.start()
    task = hub.give(module="sample:wait", payload={"folder": str(tmp_path)})
    read_pid(tmp_path / "pid-1")
    held = weakref.ref(agent._holdings.all()[0])
    gc.disable()
    try:
        (tmp_path / "go").touch()
        hub.wait_result(task)
        wait_until(lambda: held() is None, "the end of what was held")
    finally:
        gc.enable()


def test_a_spooled_log_that_is_damaged_does_not_cost_the_result(
    hub: FakeHub, agent: Agent, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    document: Any = (
        '{"format":1,"event_id":"E","attempt":1,"token":"t","lease_seconds":30.0,"result":{"state":"SUCCESS"}}'
    )
    (tmp_path / "state" / "spool" / "E-1.json").write_text(document + '\n{"first":1,"lines":[{"te')
    agent.start()
    assert hub.wait_call("result", "E").said["state"] == "SUCCESS"
    assert "the rest of the spooled log cannot be read" in caplog.text
    assert agent.wait_idle(15)
