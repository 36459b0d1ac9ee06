"""Webhooks over HTTP: what is taken, what fires, what the caller is told, and in which order it is refused."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from hub.rules import ids
from tests.functions.shell import PUBLIC_URL, Shell


async def payload_of(shell: Shell, path: str, data: bytes, content_type: str | None, **headers: str) -> Any:
    """What the event that a body fires has as its payload."""
    if content_type is not None:
        headers["content_type"] = content_type
    reply = await shell("POST", path, data=data, token=None, **headers)
    assert reply.status == 202, reply.body
    return (await shell.ok("GET", f"/api/events/{reply.json['event_id']}"))["payload"]


async def test_202_with_what_became_of_it(shell: Shell) -> None:
    path = await shell.configure()
    reply = await shell("POST", path, {"n": 1}, token=None)
    assert reply.status == 202
    answer = reply.json
    assert answer["state"] == "QUEUED"
    assert answer["status_url"].startswith(f"{PUBLIC_URL}/hooks/status/{answer['event_id']}?t=")
    assert answer["events"] == [{"event_type": "GO", "event_id": answer["event_id"], "fired": True, "reason": None}]
    event = await shell.ok("GET", f"/api/events/{answer['event_id']}")
    assert (event["source_kind"], event["source"], event["payload"]) == ("WEBHOOK", "hook", {"n": 1})


class TestBodies:
    @pytest.mark.parametrize("content_type", ["application/json", "application/cloudevents+json; charset=utf-8"])
    async def test_json_is_the_payload(self, shell: Shell, content_type: str) -> None:
        path = await shell.configure()
        assert await payload_of(shell, path, b' {"a": [1, 2.5, null]}\n', content_type) == {"a": [1, 2.5, None]}

    async def test_a_byte_order_mark_changes_nothing(self, shell: Shell) -> None:
        path = await shell.configure(payload="body.a")
        assert await payload_of(shell, path, b'\xef\xbb\xbf{"a": [1]}', "application/json") == [1]
        await shell.configure(payload=None)
        assert await payload_of(shell, path, b'\xef\xbb\xbf{"a": [1]}', "application/json") == {"a": [1]}

    @pytest.mark.parametrize("charset", ["", "; charset=utf-8", "; charset=iso-8859-1"])
    async def test_a_form_is_an_object(self, shell: Shell, charset: str) -> None:
        path = await shell.configure()
        form = await payload_of(shell, path, b"a=1&b=x+y&a=2&empty=", f"application/x-www-form-urlencoded{charset}")
        assert form == {"a": ["1", "2"], "b": "x y", "empty": ""}

    async def test_text(self, shell: Shell) -> None:
        path = await shell.configure()
        assert await payload_of(shell, path, "grün".encode(), "text/plain") == {"text": "grün"}
        assert await payload_of(shell, path, "grün".encode("latin-1"), "text/plain; charset=latin-1") == {
            "text": "grün"
        }

    @pytest.mark.parametrize("content_type", ["application/octet-stream", "image/png", None])
    async def test_anything_else_is_binary(self, shell: Shell, content_type: str | None) -> None:
        path = await shell.configure()
        data = bytes(range(256))
        payload = await payload_of(shell, path, data, content_type)
        assert base64.b64decode(payload["base64"]) == data
        assert payload["content_type"] == content_type or "application/octet-stream"

    async def test_none_at_all(self, shell: Shell) -> None:
        path = await shell.configure()
        assert await payload_of(shell, path, b"", None) == {}


class TestRefusals:
    async def test_an_unknown_key_is_404_whatever_else_is_wrong(self, shell: Shell) -> None:
        await shell.configure()
        (await shell("POST", "/hooks/none", data=b"{", token=None, content_type="application/json")).problem(404)

    async def test_a_source_that_is_switched_off_is_410_whatever_else_is_wrong(self, shell: Shell) -> None:
        path = await shell.configure({"enabled": False})
        (await shell("POST", path, data=b"{", token=None, content_type="application/json")).problem(410)

    async def test_a_paused_source_is_503(self, shell: Shell) -> None:
        path = await shell.configure({"pause": {"note": "move", "until": "2026-03-01T13:00:00Z"}})
        reply = await shell("POST", path, {}, token=None)
        assert "paused" in reply.problem(503)["detail"]
        assert reply.problem(503)["type"].endswith(":paused")
        assert reply.headers["retry-after"] == "3600"
        shell.clock.seconds += 3600
        assert (await shell("POST", path, {}, token=None)).status == 202

    async def test_a_method_that_the_source_does_not_take(self, shell: Shell) -> None:
        path = await shell.configure({"methods": ["PUT"]})
        assert (await shell("POST", path, {}, token=None)).status in (404, 405)
        assert (await shell("PUT", path, {}, token=None)).status == 202

    @pytest.mark.parametrize(
        ("data", "place"),
        [
            (b'{"a": 1\n "b"}', "line 2, column 2"),
            (b'{"a": NaN}', "/a"),
            (b'{"a": 1, "a": 2}', "/a"),
            (b'{"a": "\\ud800"}', "/a"),
            (b'{"n": 123456789012345678901234567890}', "/n"),
            (b"[" * 65 + b"]" * 65, "line 1, column 65"),
            (b'{"a": "\xff"}', "line 1, column 8"),
        ],
    )
    async def test_what_is_no_strict_json_is_400_with_its_place(self, shell: Shell, data: bytes, place: str) -> None:
        path = await shell.configure()
        reply = await shell("POST", path, data=data, token=None, content_type="application/json")
        assert list(reply.errors()) == [place]

    async def test_a_chunked_body_is_411(self, shell: Shell) -> None:
        path = await shell.configure()
        reply = await shell.send("POST", path, {"host": "hub", "transfer-encoding": "chunked"}, b"")
        reply.problem(411)

    @pytest.mark.parametrize(
        "headers", [{"content_encoding": "gzip"}, {"content_type": "multipart/form-data; boundary=x"}]
    )
    async def test_what_is_not_taken_is_415(self, shell: Shell, headers: dict[str, str]) -> None:
        path = await shell.configure()
        (await shell("POST", path, data=b"--x--", token=None, **headers)).problem(415)

    async def test_four_mebibytes_fit_and_one_byte_more_is_413(self, shell: Shell) -> None:
        path = await shell.configure()
        most = 4 * 1024 * 1024
        data = b'"' + b"x" * (most - 2) + b'"'
        assert (await shell("POST", path, data=data, token=None, content_type="application/json")).status == 202
        reply = await shell("POST", path, data=data + b" ", token=None, content_type="application/json")
        assert f"at most {most}" in reply.problem(413)["detail"]

    async def test_a_sources_own_limit(self, shell: Shell) -> None:
        path = await shell.configure({"max_body": 10})
        assert (
            await shell("POST", path, data=b"1234567890", token=None, content_type="application/json")
        ).status == 202
        (await shell("POST", path, data=b"12345678901", token=None, content_type="application/json")).problem(413)


class TestExpressions:
    async def test_the_payload_is_what_the_expression_makes(self, shell: Shell) -> None:
        path = await shell.configure(payload='{kind: headers."x-github-event", who: body.user.name, q: query.zone}')
        reply = await shell(
            "POST", f"{path}?zone=b&code=secret", {"user": {"name": "Ada"}}, token=None, x_github_event="push"
        )
        event = await shell.ok("GET", f"/api/events/{reply.json['event_id']}")
        assert event["payload"] == {"kind": "push", "who": "Ada", "q": "b"}

    async def test_credentials_never_reach_an_expression(self, shell: Shell) -> None:
        path = await shell.configure(payload="@")
        secrets = {
            "authorization": "Basic c2VjcmV0",
            "cookie": "s=c2VjcmV0",
            "x-functions-key": "c2VjcmV0",
            "x-ms-client-principal": "c2VjcmV0",
            "x-hub-signature-256": "c2VjcmV0",
            "host": "hub",
            "content-type": "application/json",
        }
        reply = await shell.send("POST", f"{path}?code=c2VjcmV0&a=1", secrets, b"{}")
        event = await shell.ok("GET", f"/api/events/{reply.json['event_id']}")
        assert event["payload"] == {"body": {}, "headers": {"content-type": "application/json"}, "query": {"a": "1"}}

    @pytest.mark.parametrize(("body", "fires"), [({"ok": True}, True), ({"ok": False}, False), ({}, False)])
    async def test_a_filter_decides(self, shell: Shell, body: dict[str, bool], fires: bool) -> None:
        path = await shell.configure(filter="body.ok")
        answer = (await shell("POST", path, body, token=None)).json
        (told,) = answer["events"]
        assert told["fired"] is fires
        assert bool(told["reason"]) is not fires
        assert (answer["event_id"] is not None) is fires

    async def test_one_that_fails_is_told_and_fires_nothing(self, shell: Shell) -> None:
        path = await shell.configure(filter="to_number(body.a) > length(body.b)")
        (told,) = (await shell("POST", path, {"a": "1", "b": 2}, token=None)).json["events"]
        assert told["fired"] is False
        assert "length" in told["reason"]

    async def test_several_event_types_each_have_their_say(self, shell: Shell) -> None:
        path = await shell.configure()
        other = {"sink_type": "PYTHON:BASE", "action": "go"}
        await shell.ok("PUT", "/api/event-types/NEVER", {**other, "filter": "`false`"})
        await shell.ok("PUT", "/api/event-types/OFF", {**other, "enabled": False})
        await shell.ok("PATCH", "/api/sources/hook", {"event_types": ["NEVER", "GO", "OFF"]})
        answer = (await shell("POST", path, {}, token=None)).json
        assert [(each["event_type"], each["fired"]) for each in answer["events"]] == [
            ("NEVER", False),
            ("GO", True),
            ("OFF", False),
        ]
        assert answer["event_id"] == answer["events"][1]["event_id"]
        assert "disabled" in answer["events"][2]["reason"]


class TestStatus:
    async def fired(self, shell: Shell) -> tuple[str, str]:
        path = await shell.configure()
        answer = (await shell("POST", path, {}, token=None)).json
        return answer["event_id"], answer["status_url"].removeprefix(PUBLIC_URL)

    async def test_says_how_it_stands_and_no_more(self, shell: Shell) -> None:
        event_id, url = await self.fired(shell)
        assert await shell.ok("GET", url, token=None) == {
            "event_id": event_id,
            "state": "QUEUED",
            "result_code": None,
            "finished_at": None,
        }
        await shell.ok("POST", f"/api/events/{event_id}/cancel")
        told = await shell.ok("GET", url, token=None)
        assert (told["state"], told["result_code"]) == ("ERROR", "CANCELLED")
        assert told["finished_at"].endswith("Z")

    async def test_is_good_for_seven_days_and_for_its_event_alone(self, shell: Shell) -> None:
        event_id, url = await self.fired(shell)
        other = await shell.fire()
        for wrong in (url[:-1], url.partition("?")[0], url.replace(event_id, other), url.replace(event_id, "x")):
            (await shell("GET", wrong, token=None)).problem(404)
        shell.clock.seconds += 7 * 86_400 - 1
        await shell.ok("GET", url, token=None)
        shell.clock.seconds += 1
        (await shell("GET", url, token=None)).problem(404)


class TestTracing:
    async def test_the_callers_ids_are_kept_when_they_are_valid(self, shell: Shell) -> None:
        path = await shell.configure()
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        answer = (await shell("POST", path, {}, token=None, traceparent=trace, x_request_id="r-1")).json
        event = await shell.ok("GET", f"/api/events/{answer['event_id']}")
        assert (event["traceparent"], event["correlation_id"]) == (trace, "r-1")

    @pytest.mark.parametrize("trace", ["", "x", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "ff-4bf9-00-01"])
    async def test_else_a_trace_is_begun(self, shell: Shell, trace: str) -> None:
        path = await shell.configure()
        answer = (await shell("POST", path, {}, token=None, traceparent=trace, x_correlation_id="a\tb")).json
        event = await shell.ok("GET", f"/api/events/{answer['event_id']}")
        version, trace_id, span_id, flags = event["traceparent"].split("-")
        assert (version, len(trace_id), len(span_id), flags) == ("00", 32, 16, "01")
        assert event["correlation_id"] is None

    async def test_the_id_carries_the_time(self, shell: Shell) -> None:
        path = await shell.configure()
        answer = (await shell("POST", path, {}, token=None)).json
        assert ids.time_of(answer["event_id"]) == shell.clock.now()
