"""Payloads and results as Viewers and Admins read them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functions.browsers import invited
from tests.functions.shell import SINK_TYPE, Shell

PAYLOAD = {"user": {"name": "Ada", "iban": "DE02 1234"}, "items": [{"pin": "0815"}, {"pin": "4711"}], "plain": 1}
SECRETS = ("DE02 1234", "0815", "4711")


@pytest.fixture
async def viewer(shell: Shell) -> str:
    await shell.configure(redact=["user.iban", "items[*].pin"])
    token: str = (await shell.ok("POST", "/api/tokens", {"name": "viewer", "role": "VIEWER"}))["token"]
    return token


async def run(shell: Shell, credential: str, data: Any) -> Any:
    task = await shell.claim(credential)
    result = {"token": task["token"], "state": "SUCCESS", "data": data}
    return await shell.ok("POST", f"/agent/events/{task['event_id']}/result", result, token=credential)


async def test_a_viewer_does_not_read_what_the_event_type_redacts(shell: Shell, viewer: str) -> None:
    event_id = await shell.fire(PAYLOAD)
    seen = await shell.ok("GET", f"/api/events/{event_id}", token=viewer)
    assert seen["payload"] == {
        "user": {"name": "Ada", "iban": "[redacted]"},
        "items": [{"pin": "[redacted]"}, {"pin": "[redacted]"}],
        "plain": 1,
    }
    assert (await shell.ok("GET", f"/api/events/{event_id}"))["payload"] == PAYLOAD


async def test_by_session_and_by_a_small_token_of_an_admin_too(shell: Shell, viewer: str) -> None:
    event_id = await shell.fire(PAYLOAD)
    vera, ada = await invited(shell, "vera"), await invited(shell, "ada", "ADMIN")
    small = (await ada("POST", "/api/tokens", {"name": "small", "role": "VIEWER"})).json["token"]
    url = f"/api/events/{event_id}"
    assert (await vera("GET", url)).json["payload"]["user"]["iban"] == "[redacted]"
    assert (await shell.ok("GET", url, token=small))["payload"]["user"]["iban"] == "[redacted]"
    assert (await ada("GET", url)).json["payload"] == PAYLOAD


async def test_no_route_of_viewers_shows_it(shell: Shell, viewer: str) -> None:
    hook = (await shell.ok("GET", "/api/sources/hook"))["url"].removeprefix("https://hub.example.com")
    fired = (await shell("POST", hook, PAYLOAD, token=None)).json["event_id"]
    credential = await shell.enrol()
    await run(shell, credential, PAYLOAD)
    receipts = (await shell.ok("GET", "/api/sources/hook/receipts"))["items"]
    urls = [f"/api/events/{fired}{part}" for part in ("", "/tree", "/explain", "/logs")]
    urls += ["/api/events", f"/api/events?search={fired}", "/api/sources/hook/receipts", "/api/stats"]
    urls += [f"/api/sources/hook/receipts/{receipts[0]['id']}", "/api/configuration"]
    for url in urls:
        reply = await shell("GET", url, token=viewer)
        assert reply.status == 200, url
        assert not [each for each in SECRETS if each.encode() in reply.body], url
    whole = str(await shell.ok("GET", f"/api/events/{fired}"))
    assert all(each in whole for each in SECRETS)


async def test_results_are_redacted_by_the_same_paths(shell: Shell, viewer: str) -> None:
    event_id = await shell.fire({})
    await run(shell, await shell.enrol(), {"user": {"iban": "DE02 1234"}, "rows": 3})
    seen = await shell.ok("GET", f"/api/events/{event_id}", token=viewer)
    assert seen["result_data"] == {"user": {"iban": "[redacted]"}, "rows": 3}
    assert (await shell.ok("GET", f"/api/events/{event_id}"))["result_data"]["user"]["iban"] == "DE02 1234"


async def test_a_follow_on_hides_what_its_parent_would(shell: Shell, viewer: str) -> None:
    await shell.ok("PUT", "/api/actions/next", {"runtime": "python", "module": "m:f"})
    await shell.ok("PUT", "/api/event-types/NEXT", {"sink_type": SINK_TYPE, "action": "next"})
    await shell.ok("PATCH", "/api/actions/go", {"on_success": "NEXT"})
    event_id = await shell.fire({})
    await run(shell, await shell.enrol(), PAYLOAD)
    follow_on = (await shell.ok("GET", f"/api/events/{event_id}"))["follow_on"]
    seen = await shell.ok("GET", f"/api/events/{follow_on}", token=viewer)
    assert seen["payload"]["parent"]["result_data"]["user"] == {"name": "Ada", "iban": "[redacted]"}
    assert seen["payload"]["parent"]["event_type"] == "GO"
    assert (await shell.ok("GET", f"/api/events/{follow_on}"))["payload"]["parent"]["result_data"] == PAYLOAD
    await shell.ok("PATCH", "/api/actions/go", {"on_success": None})
    await shell.ok("PATCH", "/api/sources/hook", {"event_types": ["NEXT"]})
    await shell.ok("DELETE", "/api/event-types/GO")
    seen = await shell.ok("GET", f"/api/events/{follow_on}", token=viewer)
    assert seen["payload"]["parent"]["result_data"] == "[redacted]"


async def test_of_an_event_type_that_is_gone_everything_is_hidden(shell: Shell, viewer: str) -> None:
    event_id = await shell.fire(PAYLOAD)
    await shell.ok("DELETE", "/api/sources/hook")
    await shell.ok("DELETE", "/api/event-types/GO")
    assert (await shell.ok("GET", f"/api/events/{event_id}", token=viewer))["payload"] == "[redacted]"
    assert (await shell.ok("GET", f"/api/events/{event_id}"))["payload"] == PAYLOAD


async def test_what_is_configured_today_counts_for_events_of_before(shell: Shell, viewer: str) -> None:
    event_id = await shell.fire(PAYLOAD)
    await shell.ok("PATCH", "/api/event-types/GO", {"redact": ["plain"]})
    seen = (await shell.ok("GET", f"/api/events/{event_id}", token=viewer))["payload"]
    assert seen == {**PAYLOAD, "plain": "[redacted]"}


async def test_a_schedule_s_payload_is_hidden_wherever_it_is_read(shell: Shell, viewer: str) -> None:
    schedule = {"kind": "SCHEDULE", "event_types": ["GO"], "cron": "0 2 * * *", "payload": PAYLOAD}
    await shell.ok("PUT", "/api/sources/nightly", schedule)
    for url in ("/api/sources/nightly", "/api/sources", "/api/configuration"):
        seen = await shell("GET", url, token=viewer)
        assert b"[redacted]" in seen.body, url
        assert not [each for each in SECRETS if each.encode() in seen.body], url
        assert b"DE02 1234" in (await shell("GET", url)).body, url
