"""Events over the API: fired, listed, read, cancelled, and their logs."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest

from hub.model.event import State
from hub.rules import ids
from tests.functions.shell import SINK_TYPE, Shell

NOBODYS = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


class TestFire:
    async def test_an_event_is_queued_and_reads_back(self, shell: Shell) -> None:
        await shell.configure()
        reply = await shell(
            "POST", "/api/events", {"event_type": "go", "payload": {"n": 1.5}}, x_correlation_id="order-7"
        )
        assert reply.status == 201
        event = reply.json
        assert reply.headers["location"] == f"/api/events/{event['id']}"
        assert (event["event_type"], event["state"], event["payload"]) == ("GO", "QUEUED", {"n": 1.5})
        assert (event["source_kind"], event["correlation_id"]) == ("MANUAL", "order-7")
        assert await shell.ok("GET", f"/api/events/{event['id'].lower()}") == event

    async def test_the_fields_of_an_event(self, shell: Shell) -> None:
        await shell.configure()
        event = await shell.ok("GET", f"/api/events/{await shell.fire()}")
        asked = "id event_type source state result_code result_message result_data payload sink attempt attempts"
        times = "created_at started_at finished_at lease_until not_before parent_id root_id depth"
        assert set(f"{asked} {times}".split()) <= set(event)

    async def test_the_payload_may_be_left_out_or_any_json(self, shell: Shell) -> None:
        await shell.configure()
        assert (await shell.ok("POST", "/api/events", {"event_type": "GO"}))["payload"] == {}
        for payload in (None, 0, "text", [1, {"a": None}]):
            assert (await shell.ok("GET", f"/api/events/{await shell.fire(payload)}"))["payload"] == payload

    async def test_what_may_not_be_fired(self, shell: Shell) -> None:
        await shell.configure()
        reply = await shell("POST", "/api/events", {"event_type": "NONE"})
        assert reply.errors() == {"event_type": "there is no event type NONE"}
        await shell.configure(enabled=False)
        assert "disabled" in (await shell("POST", "/api/events", {"event_type": "GO"})).problem(409)["detail"]
        await shell.configure(sources=["WEBHOOK"])
        reply = await shell("POST", "/api/events", {"event_type": "GO"})
        assert "its sources are WEBHOOK" in reply.problem(409)["detail"]

    async def test_the_largest_payload_fits_and_one_byte_more_does_not(self, shell: Shell) -> None:
        await shell.configure()
        most = shell.hub.options.terms.max_payload
        event_id = await shell.fire("x" * (most - 2))
        assert len((await shell.ok("GET", f"/api/events/{event_id}"))["payload"]) == most - 2
        reply = await shell("POST", "/api/events", {"event_type": "GO", "payload": "x" * (most - 1)})
        assert f"more than {most} bytes" in reply.problem(413)["detail"]


class TestRead:
    @pytest.mark.parametrize("path", ["", "/logs"])
    async def test_one_that_is_not_there(self, shell: Shell, path: str) -> None:
        assert NOBODYS in (await shell("GET", f"/api/events/{NOBODYS}{path}")).problem(404)["detail"]
        assert "26 characters" in (await shell("GET", f"/api/events/none{path}")).problem(400)["detail"]

    async def test_an_attempt_says_what_ran_and_no_secret_of_the_claim(self, shell: Shell) -> None:
        await shell.configure()
        credential = await shell.enrol()
        event_id = await shell.fire({"a": 1})
        task = await shell.claim(credential)
        reply = await shell("GET", f"/api/events/{event_id}")
        event = reply.json
        assert (event["state"], event["sink"], event["attempt"]) == ("RUNNING", "box", 1)
        (attempt,) = event["attempts"]
        assert attempt["run"]["action"] == "go"
        assert attempt["finished_at"] is None
        assert b"claim" not in reply.body
        assert task["token"].encode() not in reply.body

    async def test_a_result_and_what_a_dead_sink_leaves(self, shell: Shell) -> None:
        await shell.configure()
        credential = await shell.enrol()
        done, lost = await shell.fire(), await shell.fire()
        tasks = await shell.claims(credential, slots=2)
        token = next(each["token"] for each in tasks if each["event_id"] == done)
        result = {"token": token, "state": "SUCCESS", "data": {"rows": 3}, "message": "fine"}
        await shell.ok("POST", f"/agent/events/{done}/result", result, token=credential)
        event = await shell.ok("GET", f"/api/events/{done}")
        assert (event["state"], event["result_data"], event["result_message"]) == ("SUCCESS", {"rows": 3}, "fine")
        assert (await shell.ok("GET", f"/api/events/{lost}"))["state"] == "RUNNING"
        shell.clock.seconds += 36
        assert (await shell.ok("GET", f"/api/events/{lost}"))["state"] == "QUEUED"
        assert [each["id"] for each in (await shell.ok("GET", "/api/events?state=QUEUED"))["items"]] == [lost]


class TestCancel:
    async def test_ends_it_once_and_again_is_fine(self, shell: Shell) -> None:
        await shell.configure()
        event_id = await shell.fire()
        for _ in range(2):
            event = await shell.ok("POST", f"/api/events/{event_id}/cancel")
            assert (event["state"], event["result_code"]) == ("ERROR", "CANCELLED")

    async def test_too_late_when_it_has_ended(self, shell: Shell) -> None:
        await shell.configure()
        credential = await shell.enrol()
        event_id = await shell.fire()
        token = (await shell.claim(credential))["token"]
        await shell.ok(
            "POST", f"/agent/events/{event_id}/result", {"token": token, "state": "SUCCESS"}, token=credential
        )
        assert "too late" in (await shell("POST", f"/api/events/{event_id}/cancel")).problem(409)["detail"]

    async def test_one_that_is_not_there(self, shell: Shell) -> None:
        (await shell("POST", f"/api/events/{NOBODYS}/cancel")).problem(404)


async def test_logs_after_a_number(shell: Shell) -> None:
    await shell.configure()
    credential = await shell.enrol()
    event_id = await shell.fire()
    token = (await shell.claim(credential))["token"]
    time = shell.clock.now().isoformat()
    lines = [{"time": time, "stream": "stdout", "level": "INFO", "text": f"line {n}"} for n in range(3)]
    logs = {"token": token, "chunk": {"first": 1, "lines": lines}}
    await shell.ok("POST", f"/agent/events/{event_id}/logs", logs, token=credential)
    page = await shell.ok("GET", f"/api/events/{event_id}/logs")
    assert [each["text"] for each in page["lines"]] == ["line 0", "line 1", "line 2"]
    assert page["complete"] is False
    after = page["lines"][1]["seq"]
    assert [
        each["text"] for each in (await shell.ok("GET", f"/api/events/{event_id}/logs?after={after}"))["lines"]
    ] == ["line 2"]
    assert "after" in (await shell("GET", f"/api/events/{event_id}/logs?after=-1")).errors()


class TestList:
    async def test_a_page_at_a_time_newest_first(self, shell: Shell) -> None:
        await shell.configure()
        made = []
        for _ in range(5):
            shell.clock.seconds += 1000
            made.append(await shell.fire())
        found, cursor = [], ""
        for _ in range(3):
            page = await shell.ok("GET", f"/api/events?limit=2{cursor}")
            found += [each["id"] for each in page["items"]]
            cursor = f"&cursor={quote(page['cursor'] or '')}"
        assert found == made[::-1]
        assert (page["cursor"], page["searched_to"]) == (None, None)

    async def test_says_how_far_it_searched(self, shell: Shell) -> None:
        await shell.configure()
        for _ in range(2):
            event_id = await shell.fire()
            shell.clock.seconds += 1
        page = await shell.ok("GET", "/api/events?limit=1")
        assert page["cursor"]
        assert page["searched_to"] == ids.time_of(event_id).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    async def test_filters(self, shell: Shell) -> None:
        await shell.configure()
        first = await shell.fire()
        shell.clock.seconds += 7200
        await shell.ok("POST", f"/api/events/{first}/cancel")
        second = await shell.fire()
        since = quote((shell.clock.now() - timedelta(hours=1)).isoformat())
        for query, wanted in {
            "state=ERROR": [first],
            "state=queued,running": [second],
            "event_type=Go": [second, first],
            "event_type=NONE": [],
            "source=x": [],
            "sink=x": [],
            f"from={since}": [second],
            f"to={since}": [first],
            "search=cancell": [first],
            f"search={second.lower()}": [second],
        }.items():
            assert [each["id"] for each in (await shell.ok("GET", f"/api/events?{query}"))["items"]] == wanted, query

    @pytest.mark.parametrize(
        ("query", "field", "said"),
        [
            ("limit=0", "limit", "greater than or equal to 1"),
            ("limit=201", "limit", "less than or equal to 200"),
            ("limit=many", "limit", "integer"),
            ("state=DONE", "state", ", ".join(State)),
            ("from=yesterday", "from", "must be a time with its offset from UTC, such as"),
            ("to=2026-01-01T00:00:00", "to", "offset from UTC"),
            ("cursor=abc", "cursor", "is not a cursor of this list"),
            ("search=", "search", "at least 1"),
            ("stat=QUEUED", "stat", "allowed are cursor, event_type, from, limit"),
        ],
    )
    async def test_what_is_refused(self, shell: Shell, query: str, field: str, said: str) -> None:
        assert said in (await shell("GET", f"/api/events?{query}")).errors()[field]

    async def test_a_cursor_of_another_list_or_another_hub(self, shell: Shell) -> None:
        for number in range(2):
            await shell.ok("PUT", f"/api/sink-types/{SINK_TYPE}{number}", {})
        cursor = (await shell.ok("GET", "/api/sink-types?limit=1"))["cursor"]
        assert "is not a cursor" in (await shell("GET", f"/api/events?cursor={cursor}")).errors()["cursor"]
        changed = cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB")
        assert "is not a cursor" in (await shell("GET", f"/api/sink-types?cursor={changed}")).errors()["cursor"]

    async def test_the_hosts_key_is_let_pass(self, shell: Shell) -> None:
        await shell.ok("GET", "/api/events?code=abc")
