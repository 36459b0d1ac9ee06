"""Over HTTP: what holds sources back, pauses, running again, the tree of an event, chains that go in a circle."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functions.shell import POLL, SINK_TYPE, Shell


async def ran(shell: Shell, credential: str, **result: Any) -> str:
    """An event of GO that has ended; its id."""
    event_id = await shell.fire({"n": 1})
    task = await shell.claim(credential)
    body = {"token": task["token"], "state": "SUCCESS", **result}
    await shell.ok("POST", f"/agent/events/{event_id}/result", body, token=credential)
    return event_id


class TestLimits:
    async def test_over_its_rate_a_webhook_answers_429_and_when_to_come_again(self, shell: Shell) -> None:
        path = await shell.configure({"rate": {"limit": 2, "per_seconds": 60}})
        for _ in range(2):
            assert (await shell("POST", path, {}, token=None)).status == 202
        reply = await shell("POST", path, {}, token=None)
        problem = reply.problem(429)
        assert problem["type"].endswith(":too-many")
        assert problem["detail"] == "this source takes 2 requests in 60 s, 2 of them at once"
        assert 1 <= int(reply.headers["retry-after"]) <= 30
        assert len((await shell.ok("GET", "/api/events"))["items"]) == 2, "what is refused makes no event"
        shell.clock.seconds += int(reply.headers["retry-after"])
        assert (await shell("POST", path, {}, token=None)).status == 202

    async def test_what_is_refused_for_its_body_takes_nothing_of_the_rate(self, shell: Shell) -> None:
        path = await shell.configure({"rate": {"limit": 1, "per_seconds": 60, "burst": 1}})
        reply = await shell("POST", path, data=b"{", token=None, content_type="application/json")
        reply.problem(400)
        assert (await shell("POST", path, {}, token=None)).status == 202

    async def test_while_a_queue_is_full_webhooks_and_people_are_told_to_come_later(self, shell: Shell) -> None:
        path = await shell.configure()
        await shell.ok("PATCH", f"/api/sink-types/{SINK_TYPE}", {"max_queue_depth": 2})
        assert (await shell("POST", path, {}, token=None)).status == 202
        event_id = await shell.fire()
        for reply in (
            await shell("POST", path, {}, token=None),
            await shell("POST", "/api/events", {"event_type": "GO"}),
        ):
            assert SINK_TYPE in reply.problem(429)["detail"]
            assert reply.headers["retry-after"] == "5"
        await shell.ok("POST", f"/api/events/{event_id}/cancel")
        reply = await shell("POST", f"/api/events/{event_id}/retry")
        assert reply.problem(429)["type"].endswith(":too-many")


class TestPauses:
    @pytest.mark.parametrize("path", ["event-types/GO", f"sink-types/{SINK_TYPE}", "sources/hook"])
    async def test_pause_and_resume_need_no_version_and_are_seen_on_the_document(self, shell: Shell, path: str) -> None:
        await shell.configure()
        before = await shell("GET", f"/api/{path}")
        body = {"note": "moving house", "until": "2026-03-01T13:00:00Z"}
        paused = await shell("POST", f"/api/{path}/pause", body)
        assert (paused.status, paused.json["pause"]) == (200, body)
        assert paused.headers["etag"] != before.headers["etag"]
        assert (await shell("GET", f"/api/{path}")).json == paused.json
        again = await shell("POST", f"/api/{path}/pause", body)
        assert again.headers["etag"] == paused.headers["etag"], "paused so already"
        assert (await shell.ok("POST", f"/api/{path}/resume")) == before.json
        assert (await shell.ok("POST", f"/api/{path}/resume")) == before.json
        assert (await shell.ok("POST", f"/api/{path}/pause"))["pause"] == {"note": "", "until": None}

    async def test_what_is_refused(self, shell: Shell) -> None:
        await shell.configure()
        (await shell("POST", "/api/event-types/NONE/pause")).problem(404)
        (await shell("POST", "/api/actions/go/pause")).problem(404)
        for body, field, said in (
            ({"until": "2026-03-01T11:00:00Z"}, "until", "a time to come"),
            ({"until": "2026-03-01T13:00:00"}, "until", "offset from UTC"),
            ({"note": "x" * 501}, "note", "at most 500"),
            ({"reason": "x"}, "reason", "is not a field here"),
        ):
            errors = (await shell("POST", "/api/event-types/GO/pause", body)).errors()
            assert said in errors[field], errors
        assert (await shell.ok("GET", "/api/event-types/GO"))["pause"] is None

    @pytest.mark.parametrize("path", ["event-types/GO", f"sink-types/{SINK_TYPE}"])
    async def test_paused_events_are_taken_in_and_wait(self, shell: Shell, path: str) -> None:
        hook = await shell.configure()
        credential = await shell.enrol()
        await shell.ok("POST", f"/api/{path}/pause", {"until": "2026-03-01T12:05:00Z"})
        assert (await shell("POST", hook, {}, token=None)).status == 202
        event_id = await shell.fire()
        assert (await shell("POST", "/agent/poll", POLL, token=credential)).status == 204
        assert (await shell.ok("GET", f"/api/events/{event_id}"))["state"] == "QUEUED"
        shell.clock.seconds += 301
        assert len(await shell.claims(credential)) == 2

    async def test_a_source_paused_without_an_end_says_to_come_again_in_a_minute(self, shell: Shell) -> None:
        path = await shell.configure()
        await shell.ok("POST", "/api/sources/hook/pause", {"note": "secret reasons"})
        reply = await shell("POST", path, {}, token=None)
        assert reply.problem(503)["type"].endswith(":paused")
        assert reply.headers["retry-after"] == "60"
        assert "secret reasons" not in reply.body.decode()
        await shell.ok("POST", "/api/sources/hook/resume")
        assert (await shell("POST", path, {}, token=None)).status == 202


class TestRetry:
    async def test_a_new_event_that_says_of_what_it_is_the_rerun(self, shell: Shell) -> None:
        await shell.configure()
        event_id = await ran(shell, await shell.enrol())
        reply = await shell("POST", f"/api/events/{event_id}/retry", {"as": "recorded"})
        assert reply.status == 201
        assert reply.headers["location"] == f"/api/events/{reply.json['id']}"
        made = await shell.ok("GET", reply.headers["location"])
        assert made == reply.json
        shown = (made["rerun_of"], made["state"], made["payload"], made["source_kind"], made["attempts"])
        assert shown == (event_id, "QUEUED", {"n": 1}, "MANUAL", [])

    async def test_the_same_key_gives_the_same_event(self, shell: Shell) -> None:
        await shell.configure()
        event_id = await ran(shell, await shell.enrol())
        url = f"/api/events/{event_id}/retry"
        first, second = [await shell("POST", url, idempotency_key="abc") for _ in range(2)]
        assert first.json["id"] == second.json["id"]
        (await shell("POST", url, {"as": "recorded"}, idempotency_key="abc")).problem(409)
        for key in ("with space", "x" * 201, "é"):
            errors = (await shell("POST", url, idempotency_key=key)).errors()
            assert "1 to 200 printable" in errors["idempotency-key"]

    async def test_what_is_refused(self, shell: Shell) -> None:
        await shell.configure()
        event_id = await shell.fire()
        assert "has not ended" in (await shell("POST", f"/api/events/{event_id}/retry")).problem(409)["detail"]
        (await shell("POST", "/api/events/01ARZ3NDEKTSV4RRFFQ69G5FAV/retry")).problem(404)
        errors = (await shell("POST", f"/api/events/{event_id}/retry", {"as": "yesterday"})).errors()
        assert "'today' or 'recorded'" in errors["as"]
        errors = (await shell("POST", f"/api/events/{event_id}/retry", {"how": "today"})).errors()
        assert "is not a field here" in errors["how"]


class TestTree:
    async def test_parents_come_before_their_follow_ons(self, shell: Shell) -> None:
        await shell.configure()
        await shell.ok("PUT", "/api/actions/tell", {"runtime": "python", "module": "m:tell"})
        await shell.ok("PUT", "/api/event-types/TELL", {"sink_type": SINK_TYPE, "action": "tell"})
        await shell.ok("PATCH", "/api/actions/go", {"on_warning": "TELL"})
        event_id = await ran(shell, await shell.enrol(), state="WARNING", code="LOW")
        tree = await shell.ok("GET", f"/api/events/{event_id}/tree")
        assert (tree["root_id"], tree["complete"]) == (event_id, True)
        parent, child = tree["events"]
        assert (parent["id"], parent["state"], parent["result_code"]) == (event_id, "WARNING", "LOW")
        assert (parent["follow_on"], child["parent_id"], child["depth"]) == (child["id"], event_id, 1)
        assert (child["event_type"], child["state"], child["source"]) == ("TELL", "QUEUED", "GO")
        assert await shell.ok("GET", f"/api/events/{child['id']}/tree") == tree

    async def test_a_circle_is_refused_with_its_way(self, shell: Shell) -> None:
        await shell.configure()
        errors = (await shell("PATCH", "/api/actions/go", {"on_failure": "GO"})).errors()
        assert "GO -on_failure-> GO" in errors["on_failure"]
        assert "allow_cycle" in errors["on_failure"]
        changed = await shell.ok("PATCH", "/api/actions/go", {"on_failure": "GO", "allow_cycle": True})
        assert changed["on_failure"] == "GO"
