"""A module fills the disk on which the agent keeps its state: a small one, in a mount namespace of the agent's own, so
that nothing of it outlives the agent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_testing.fake_hub import FakeHub
from agent_testing.process import AgentProcess
from agent_testing.small_disk import on_small_disk
from agent_testing.waiting import wait_until

pytestmark = pytest.mark.processes

MODULES = Path(__file__).parent / "modules"
DISK = "2m"


@pytest.fixture
def agent(hub: FakeHub, tmp_path: Path) -> Iterator[AgentProcess]:
    """An agent with two slots and 2 MB of disk."""
    state = tmp_path / "state"
    state.mkdir()
    under = on_small_disk(state, DISK)
    with AgentProcess(hub.address, tmp_path, MODULES, "--slots", "2", under=under) as made:
        hub.wait_call("poll")
        yield made


def seen(agent: AgentProcess) -> Path:
    """The state folder as the agent sees it."""
    return Path(f"/proc/{agent.pid}/root{agent.state}")


def held(agent: AgentProcess) -> list[str]:
    """What of tasks is on the agent's disk."""
    return [str(path) for name in ("journal", "spool", "work") for path in (seen(agent) / name).iterdir()]


@pytest.mark.parametrize(
    ("then", "lines"),
    [
        ("raise", ["OSError: [Errno 28] No space left on device"]),
        ("return", ["full"]),
    ],
)
def test_a_function_that_fills_the_disk_cannot_leave_its_result_and_the_error_says_so(
    hub: FakeHub, agent: AgentProcess, then: str, lines: list[str]
) -> None:
    task = hub.give(module="nasty_folder:full_disk", payload={"then": then})
    said = hub.wait_result(task)
    assert (said["state"], said["code"]) == ("ERROR", "EXIT_74")
    lines = [*lines, "the result could not be written: No space left on device"]
    assert said["message"].split("\n")[-2:] == lines
    assert hub.texts(task)[-2:] == lines
    assert "cannot be spooled" not in agent.log(), "its folder is gone before"
    wait_until(lambda: held(agent) == [], "no file left")
    assert hub.wait_result(hub.give(module="sample:nothing"))["state"] == "SUCCESS"


def test_a_script_that_fills_the_disk_fails_in_its_own_words(hub: FakeHub, agent: AgentProcess) -> None:
    parameters = [{"name": "DO", "value": "full"}]
    said = hub.wait_result(hub.give(module="nasty.sh", runtime="shell", parameters=parameters))
    assert (said["state"], said["code"]) == ("ERROR", "EXIT_1")
    assert "No space left on device" in said["message"]
    wait_until(lambda: held(agent) == [], "no file left")
    assert hub.wait_result(hub.give(module="sample:nothing"))["state"] == "SUCCESS"


def test_what_ends_while_the_disk_is_full_is_reported_and_what_comes_is_handed_back_unstarted(
    hub: FakeHub, agent: AgentProcess, tmp_path: Path
) -> None:
    hub.watched, hub.lease_seconds = True, 3.0  # lines come at once
    go = [{"name": "GO", "value": str(tmp_path / "first")}]
    ending = hub.give(module="waits.sh", runtime="shell", parameters=go)
    filling = hub.give(module="nasty_folder:full_disk", payload={"then": "wait", "for": str(tmp_path / "second")})
    hub.wait_for(lambda: "full" in hub.texts(filling) and hub.texts(ending), "a full disk and a running task")

    (tmp_path / "first").touch()
    assert hub.wait_result(ending)["code"] == "EXIT_3"
    assert "the result cannot be spooled, it is only reported: [Errno 28] No space left on device" in agent.log()

    wait_until(lambda: not any(ending["event_id"] in path for path in held(agent)), "its files are gone")
    wait_until(lambda: os.statvfs(seen(agent)).f_bfree == 0, "the disk is full again")
    said = hub.wait_result(hub.give(module="sample:nothing"))
    assert (said["state"], said["started"]) == ("RETURNED", False)
    assert "could not write to its disk: [Errno 28] No space left on device" in said["message"]

    (tmp_path / "second").touch()
    assert hub.wait_result(filling)["code"] == "EXIT_74"
    wait_until(lambda: held(agent) == [], "no file left")
