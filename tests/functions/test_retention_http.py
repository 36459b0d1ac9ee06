"""What is said of events that retention has removed, by what is left and names them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hub.rules.keeping import Keeping
from tests.functions.shell import SINK_TYPE, Shell, opened_shell

DAY = 86_400


@pytest.fixture
async def shell() -> AsyncIterator[Shell]:
    """A hub that keeps what ended well for a day, and all else for ever."""
    async with opened_shell(keeping=Keeping(success=1)) as opened:
        yield opened


async def test_what_names_a_removed_event_stays_readable(shell: Shell) -> None:
    path = await shell.configure()
    await shell.ok("PUT", "/api/event-types/BAD", {"sink_type": SINK_TYPE, "action": "go", "payload": "body.n"})
    await shell.ok("PATCH", "/api/sources/hook", {"event_types": ["GO", "BAD"]})
    fired = {each["event_type"]: each["event_id"] for each in (await shell.ok("POST", path, {"n": 1}))["events"]}
    credential = await shell.enrol()
    for task in await shell.claims(credential):
        state = "SUCCESS" if task["event_id"] == fired["GO"] else "ERROR"
        result = {"token": task["token"], "state": state}
        await shell.ok("POST", f"/agent/events/{task['event_id']}/result", result, token=credential)
    rerun = await shell.ok("POST", f"/api/events/{fired['GO']}/retry", {})
    for _ in range(30):
        shell.clock.seconds += 3600
        await shell.hub.upkeep.tick()

    for method, address in (
        ("GET", f"/api/events/{fired['GO']}"),
        ("GET", f"/api/events/{fired['GO']}/logs"),
        ("GET", f"/api/events/{fired['GO']}/tree"),
        ("POST", f"/api/events/{fired['GO']}/retry"),
        ("POST", f"/api/events/{fired['GO']}/cancel"),
    ):
        detail = (await shell(method, address)).problem(404)["detail"]
        assert fired["GO"] in detail or "no such" in detail or "there is no" in detail, (address, detail)

    bad = await shell.ok("GET", f"/api/events/{fired['BAD']}")
    assert (bad["state"], bad["receipt_id"]) == ("ERROR", fired["GO"]), "its receipt lay on the one that is gone"
    for method, suffix in (("GET", ""), ("POST", "/replay")):
        problem = (await shell(method, f"/api/sources/hook/receipts/{bad['receipt_id']}{suffix}")).problem(404)
        assert "or it is older than receipts are kept" in problem["detail"]
    assert (await shell.ok("GET", "/api/sources/hook/receipts"))["items"] == []

    again = await shell.ok("GET", f"/api/events/{rerun['id']}")
    assert (again["state"], again["rerun_of"]) == ("QUEUED", fired["GO"])
    assert (await shell.ok("GET", f"/api/events/{rerun['id']}/tree"))["complete"]
    listed = [each["id"] for each in (await shell.ok("GET", "/api/events"))["items"]]
    assert sorted(listed) == sorted([rerun["id"], fired["BAD"]])
