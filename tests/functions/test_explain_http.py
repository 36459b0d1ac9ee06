"""Over HTTP: why an event still waits, while a sink polls and an admin changes things."""

from __future__ import annotations

from typing import Any

import pytest

from hub.rules.waiting_reasons import CHECKS
from tests.functions.shell import POLL, SINK_TYPE, Shell

HAS = {"platform": "test", "runtimes": ["python"], "modules": ["m"]}


async def said(shell: Shell, event_id: str) -> Any:
    """What explain says, whole."""
    found = await shell.ok("GET", f"/api/events/{event_id}/explain")
    assert found["event_id"] == event_id
    assert found["detail"]
    assert found["change"]
    if found["conditions"]:
        assert [each["code"] for each in found["conditions"]] == list(CHECKS)
    return found


async def poll(shell: Shell, credential: str, **fields: Any) -> list[Any]:
    reply = await shell("POST", "/agent/poll", {**POLL, "capabilities": HAS, **fields}, token=credential)
    assert reply.status in (200, 204), reply.body
    return list(reply.json["tasks"]) if reply.body else []


async def test_from_no_sink_to_the_end(shell: Shell) -> None:
    await shell.configure()
    event_id = await shell.fire()
    found = await said(shell, event_id)
    assert (found["code"], found["effect"], found["numbers"]) == ("NO_SINK_ENROLLED", "WAITS", {"enrolled": 0})
    assert (found["state"], found["since"], found["until"], found["gives_up_at"]) == ("QUEUED", None, None, None)
    credential = await shell.enrol()
    found = await said(shell, event_id)
    assert (found["code"], found["since"]) == ("NO_SINK_ONLINE", None)
    assert "none ever came" in found["detail"]
    await poll(shell, credential, slots=0)
    found = await said(shell, event_id)
    assert (found["code"], found["numbers"]["online"]) == ("SINKS_BUSY", 1)
    await poll(shell, credential, slots=0, draining=True)
    assert (await said(shell, event_id))["code"] == "SINKS_DRAINING"
    shell.clock.seconds += 1000
    found = await said(shell, event_id)
    assert (found["code"], found["since"]) == ("NO_SINK_ONLINE", "2026-03-01T12:00:00.000Z")
    (task,) = await poll(shell, credential)
    found = await said(shell, event_id)
    assert (found["code"], found["effect"], found["state"]) == ("RUNNING", "NONE", "RUNNING")
    assert (found["since"], found["until"]) == ("2026-03-01T12:16:40.000Z", "2026-03-01T12:17:10.000Z")
    assert (found["numbers"]["attempt"], found["conditions"]) == (1, [])
    body = {"token": task["token"], "state": "ERROR", "code": "NO", "message": "could not"}
    await shell.ok("POST", f"/agent/events/{event_id}/result", body, token=credential)
    found = await said(shell, event_id)
    assert (found["code"], found["state"], found["since"]) == ("ENDED", "ERROR", "2026-03-01T12:16:40.000Z")
    assert "with NO: could not" in found["detail"]


async def test_paused_and_disabled(shell: Shell) -> None:
    await shell.configure()
    credential = await shell.enrol()
    event_id = await shell.fire()
    await shell.ok("POST", f"/api/sink-types/{SINK_TYPE}/pause", {"note": "moving", "until": "2026-03-01T12:05:00Z"})
    assert await poll(shell, credential) == []
    found = await said(shell, event_id)
    assert (found["code"], found["until"]) == ("SINK_TYPE_PAUSED", "2026-03-01T12:05:00.000Z")
    assert "moving" in found["detail"]
    await shell.ok("POST", "/api/event-types/GO/pause")
    found = await said(shell, event_id)
    assert (found["code"], found["until"]) == ("EVENT_TYPE_PAUSED", None)
    assert [each["code"] for each in found["conditions"] if each["effect"] == "WAITS"] == [
        "EVENT_TYPE_PAUSED", "SINK_TYPE_PAUSED",
    ]  # fmt: skip
    await shell.ok("PATCH", "/api/event-types/GO", {"enabled": False, "pause": None})
    assert (await said(shell, event_id))["code"] == "EVENT_TYPE_DISABLED"
    await shell.ok("PATCH", "/api/event-types/GO", {"enabled": True})
    shell.clock.seconds += 301
    await poll(shell, credential, slots=0)
    assert (await said(shell, event_id))["code"] == "SINKS_BUSY"
    assert len(await poll(shell, credential)) == 1


@pytest.mark.parametrize(
    ("limit", "code", "numbers"),
    [
        ({"max_running": 1}, "MAX_RUNNING", {"running": 1, "max_running": 1}),
        ({"rate_per_minute": 1}, "RATE", {"rate_per_minute": 1, "seconds": 60.0}),
    ],
)
async def test_over_a_limit(shell: Shell, limit: dict[str, Any], code: str, numbers: dict[str, float]) -> None:
    await shell.configure(**limit)
    credential = await shell.enrol()
    await shell.fire()
    assert len(await poll(shell, credential)) == 1
    event_id = await shell.fire()
    for _ in range(2):
        found = await said(shell, event_id)
        assert (found["code"], found["numbers"]) == (code, numbers)
        assert await poll(shell, credential, slots=3, running=["x"]) == []
    assert found["until"] == ("2026-03-01T12:01:00.000Z" if code == "RATE" else None)


async def test_backing_off_and_what_would_fail(shell: Shell) -> None:
    await shell.configure(retry={"max_attempts": 3, "backoff_seconds": 100, "jitter": 0}, queue_timeout_seconds=50)
    credential = await shell.enrol()
    event_id = await shell.fire()
    assert (await said(shell, event_id))["gives_up_at"] == "2026-03-01T12:00:50.000Z"
    (task,) = await poll(shell, credential)
    body = {"token": task["token"], "state": "ERROR"}
    await shell.ok("POST", f"/agent/events/{event_id}/result", body, token=credential)
    found = await said(shell, event_id)
    assert (found["code"], found["since"], found["until"], found["gives_up_at"]) == (
        "BACKING_OFF", "2026-03-01T12:00:00.000Z", "2026-03-01T12:01:40.000Z", None,
    )  # fmt: skip
    shell.clock.seconds += 101
    await poll(shell, credential, slots=0)
    await shell.ok("PATCH", "/api/actions/go", {"runtime": "shell", "module": "go.sh"})
    found = await said(shell, event_id)
    assert (found["code"], found["numbers"]["running"]) == ("SINKS_BUSY", 0)
    assert [each["code"] for each in found["conditions"] if each["effect"] == "FAILS"] == ["RUNTIME_MISSING"]


async def test_who_may_ask(shell: Shell) -> None:
    await shell.configure()
    event_id = await shell.fire()
    viewer = (await shell.ok("POST", "/api/tokens", {"name": "eye", "role": "VIEWER"}))["token"]
    assert (await shell.ok("GET", f"/api/events/{event_id}/explain", token=viewer))["code"] == "NO_SINK_ENROLLED"
    (await shell("GET", "/api/events/01ARZ3NDEKTSV4RRFFQ69G5FAV/explain")).problem(404)
    (await shell("GET", "/api/events/no/explain")).problem(400)
