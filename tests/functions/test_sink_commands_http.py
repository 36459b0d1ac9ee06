"""Over HTTP: a sink is told to drain, resume, restart or stop, hears of it once, and everybody sees how far it is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functions.shell import POLL, Shell
from tests.functions.test_explain_http import said

KNOWS = {
    "platform": "test",
    "runtimes": ["python"],
    "modules": ["m"],
    "commands": ["drain", "resume", "restart", "stop"],
}


async def enrolled(shell: Shell, **capabilities: Any) -> str:
    """A sink that has come; its credential."""
    await shell.configure()
    credential = await shell.enrol("box")
    await heard(shell, credential, capabilities={**KNOWS, **capabilities})
    return credential


async def heard(shell: Shell, credential: str, **fields: Any) -> list[dict[str, Any]]:
    """The commands that a poll is answered with."""
    reply = await shell("POST", "/agent/poll", {**POLL, **fields}, token=credential)
    assert reply.status in (200, 204), reply.body
    return list(reply.json["commands"]) if reply.body else []


async def told(shell: Shell, command: str) -> dict[str, Any]:
    reply = await shell("POST", "/api/sinks/box/commands", {"command": command})
    assert reply.status == 202, reply.body
    return dict(reply.json)


async def box(shell: Shell) -> tuple[str, str | None]:
    """The state of the sink, and of its last command."""
    seen = await shell.ok("GET", "/api/sinks/BOX")
    return seen["state"], seen["command"] and seen["command"]["state"]


async def test_drain_is_heard_of_until_it_is_acknowledged_and_stands_until_resume(shell: Shell) -> None:
    credential = await enrolled(shell)
    event_id = await shell.fire()
    order = await told(shell, "drain")
    assert (order["state"], order["by"], order["expires_at"]) == ("WAITING", "first-admin", None)
    assert await told(shell, "drain") == order  # the very same: a call may be repeated
    assert await box(shell) == ("DRAINING", "WAITING")
    for _ in range(2):  # its answer was lost: it is told again, and given no task meanwhile
        assert await heard(shell, credential) == [{"command": "drain", "id": order["id"]}]
    ack = {"id": order["id"], "command": "drain", "state": "TAKEN"}
    assert await heard(shell, credential, slots=0, draining=True, leaving=False, command=ack) == []
    assert await box(shell) == ("DRAINING", "TAKEN")
    found = await said(shell, event_id)
    assert (found["code"], found["numbers"]["draining"]) == ("SINKS_DRAINING", 1)
    assert "box was told to by first-admin" in found["detail"]
    assert '{"command": "resume"}' in found["change"]
    done = {**ack, "state": "DONE"}
    assert await heard(shell, credential, slots=0, draining=True, leaving=False, command=done) == []
    assert await box(shell) == ("DRAINING", "DONE")
    # Whatever the agent offers.
    assert (await shell("POST", "/agent/poll", {**POLL, "command": done}, token=credential)).status == 204
    # Another start of the agent that has forgotten all is given nothing all the same.
    again = {"instance": "instance-2", "replaces": "instance-1"}
    assert [each["command"] for each in await heard(shell, credential, **again)] == ["drain"]

    order = await told(shell, "resume")
    ack = {"id": order["id"], "command": "resume", "state": "DONE"}
    assert await heard(shell, credential, **again) == [{"command": "resume", "id": order["id"]}]
    (task,) = await shell.claims(credential, **again, command=ack)
    assert task["event_id"] == event_id
    assert await box(shell) == ("ONLINE", "DONE")


async def test_restart_is_given_to_the_process_that_is_there_and_to_no_other(shell: Shell) -> None:
    credential = await enrolled(shell)
    order = await told(shell, "restart")
    assert await heard(shell, credential) == [{"command": "restart", "id": order["id"]}]
    ack = {"id": order["id"], "command": "restart", "state": "TAKEN"}
    assert await heard(shell, credential, slots=0, draining=True, leaving=False, command=ack) == []
    assert await box(shell) == ("RESTARTING", "TAKEN")
    next_one = {"instance": "instance-2", "replaces": "instance-1"}
    assert await heard(shell, credential, **next_one, command={**ack, "state": "DONE"}) == []
    assert await box(shell) == ("ONLINE", "DONE")
    # It was restarted by other means before it heard of it, and its disk was lost: it is not restarted once more.
    await told(shell, "restart")
    assert await heard(shell, credential, instance="instance-3", replaces="instance-2") == []
    assert await box(shell) == ("ONLINE", "EXPIRED")


async def test_what_restarts_and_does_not_come_back_is_offline(shell: Shell) -> None:
    credential = await enrolled(shell)
    order = await told(shell, "restart")
    ack = {"id": order["id"], "command": "restart", "state": "TAKEN"}
    await heard(shell, credential, slots=0, draining=True, leaving=False, command=ack)
    shell.clock.seconds += 1000
    assert await box(shell) == ("OFFLINE", "TAKEN")


async def test_one_that_has_stopped_is_offline_at_once_and_says_by_whom(shell: Shell) -> None:
    credential = await enrolled(shell)
    order = await told(shell, "stop")
    assert await heard(shell, credential) == [{"command": "stop", "id": order["id"]}]
    words = {"slots": 0, "draining": True, "leaving": True}
    ack = {"id": order["id"], "command": "stop", "state": "TAKEN"}
    await heard(shell, credential, **words, running=["01KJMMK7F0JCCE8X9MF5E7CQX0"], command=ack)
    assert await box(shell) == ("DRAINING", "TAKEN")
    await heard(shell, credential, **words, command={**ack, "state": "DONE"})
    assert await box(shell) == ("OFFLINE", "DONE")
    assert (await shell.ok("GET", "/api/sinks/box"))["command"]["by"] == "first-admin"
    (await shell("POST", "/api/sinks/box/commands", {"command": "restart"})).problem(409)
    # Started by hand, and told by a signal to end while it runs something: that it has not gone is seen.
    next_one = {"instance": "instance-2", "replaces": "instance-1", "command": {**ack, "state": "DONE"}}
    await heard(shell, credential, **words, running=["01KJMMK7F0JCCE8X9MF5E7CQX0"], **next_one)
    assert await box(shell) == ("DRAINING", "DONE")


@pytest.mark.parametrize("command", ["restart", "stop"])
async def test_what_is_not_taken_in_time_expires(shell: Shell, command: str) -> None:
    credential = await enrolled(shell)
    await told(shell, command)
    shell.clock.seconds += 15 * 60
    assert await heard(shell, credential) == []
    assert await box(shell) == ("ONLINE", "EXPIRED")


async def test_who_cannot_be_told_that_is_409_with_the_reason(shell: Shell) -> None:
    await shell.configure()
    credential = await shell.enrol("box")

    async def refused(command: str) -> str:
        return str((await shell("POST", "/api/sinks/box/commands", {"command": command})).problem(409)["detail"])

    assert "never came" in await refused("drain")
    await heard(shell, credential, capabilities={"platform": "test"})
    assert await refused("drain") == "the agent of the sink box, version 1, knows no commands"
    await heard(shell, credential, capabilities={**KNOWS, "commands": ["drain", "resume", "restart"]})
    assert "Stop it there" in await refused("stop")
    await told(shell, "drain")
    assert "has not taken its last command yet (drain, by first-admin" in await refused("restart")
    shell.clock.seconds += 1000
    assert "OFFLINE: there is no process to restart" in await refused("restart")
    assert (await told(shell, "resume"))["state"] == "WAITING"  # which stands until it comes
    (await shell("POST", "/api/sinks/nobody/commands", {"command": "drain"})).problem(404)
    assert "command" in (await shell("POST", "/api/sinks/box/commands", {"command": "explode"})).errors()


async def test_what_was_not_taken_can_be_cancelled(shell: Shell) -> None:
    credential = await enrolled(shell)
    order = await told(shell, "stop")
    where = f"/api/sinks/box/commands/{order['id']}"
    assert (await shell("DELETE", where)).status == 204
    (await shell("DELETE", where)).problem(404)
    assert await heard(shell, credential) == []
    assert await box(shell) == ("ONLINE", None)
    # Of drain, which the sink may be about to take, by resume.
    order = await told(shell, "drain")
    assert (await shell("DELETE", f"/api/sinks/box/commands/{order['id']}")).status == 204
    (resumed,) = await heard(shell, credential)
    assert resumed["command"] == "resume"
    ack = {"id": resumed["id"], "command": "resume", "state": "DONE"}
    await heard(shell, credential, command=ack)
    assert await box(shell) == ("ONLINE", "DONE")
    assert "too late" in (await shell("DELETE", f"/api/sinks/box/commands/{resumed['id']}")).problem(409)["detail"]


async def test_who_told_it_and_what_changed_is_in_the_audit(shell: Shell) -> None:
    await enrolled(shell)
    order = await told(shell, "drain")
    (entry, *_) = (await shell.ok("GET", "/api/audit?limit=1"))["items"]
    assert (entry["action"], entry["resource"], entry["actor"]) == (
        "POST /api/sinks/{name}/commands",
        "sinks/box",
        "first-admin",
    )
    (change,) = entry["changes"]
    assert change["after"]["drained"] is True
    assert change["after"]["order"]["id"] == order["id"]
