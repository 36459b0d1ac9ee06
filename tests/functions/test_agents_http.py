"""What agents say over HTTP, and what they are answered."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functions.shell import POLL, Shell

CALLS = ("secrets", "renew", "logs", "result")


async def claimed(shell: Shell) -> tuple[str, str, str]:
    """A running event: its id, its lease, its sink's credential."""
    await shell.configure()
    credential = await shell.enrol()
    event_id = await shell.fire({"a": 1})
    task = await shell.claim(credential)
    assert task["event_id"] == event_id
    return event_id, task["token"], credential


def said(call: str, token: str) -> dict[str, Any]:
    """A call of each kind."""
    line = {"time": "2026-03-01T12:00:00Z", "stream": "stdout", "level": "INFO", "text": "x"}
    calls: dict[str, dict[str, Any]] = {
        "secrets": {"token": token},
        "renew": {"token": token},
        "logs": {"token": token, "chunk": {"first": 1, "lines": [line]}, "renew": True},
        "result": {"token": token, "state": "SUCCESS"},
    }
    return calls[call]


class TestPoll:
    async def test_nothing_to_do_is_204_and_how_to_go_on_in_headers(self, shell: Shell) -> None:
        await shell.configure()
        reply = await shell("POST", "/agent/poll", POLL, token=await shell.enrol())
        assert (reply.status, reply.body) == (204, b"")
        assert float(reply.headers["nexomatic-hold"]) == 0.05
        assert float(reply.headers["nexomatic-pause"]) == 0

    async def test_a_task_says_everything_that_running_it_needs(self, shell: Shell) -> None:
        await shell.configure()
        await shell.ok("PUT", "/api/secrets/api-token", {"value": "hunter2"})
        await shell.ok(
            "PATCH",
            "/api/actions/go",
            {
                "parameters": [
                    {"name": "path", "type": "STATIC", "value": "/tmp"},
                    {"name": "host", "type": "DATA", "value": "host.name"},
                    {"name": "key", "type": "SECRET", "value": "api-token"},
                ]
            },
        )
        credential = await shell.enrol()
        event_id = await shell.fire({"host": {"name": "web-1"}})
        answer = await shell.polled(credential)
        (task,) = answer["tasks"]
        assert (task["event_id"], task["event_type"], task["attempt"]) == (event_id, "GO", 1)
        assert (task["runtime"], task["module"], task["timeout_seconds"]) == ("python", "m:f", 300)
        assert task["payload"] == {"host": {"name": "web-1"}}
        assert task["parameters"] == [
            {"name": "path", "value": "/tmp"},
            {"name": "host", "value": "web-1"},
            {"name": "key", "secret": "api-token"},
        ]
        assert set(answer["settings"]) == {"hold", "pause"}

    @pytest.mark.parametrize(
        ("body", "field", "words"),
        [
            ({"slots": -1}, "slots", "greater than or equal to 0"),
            ({"slots": "1"}, "slots", "must be a whole number"),
            ({"instance": "short"}, "instance", "at least 8"),
            ({"slot": 1}, "slot", "allowed are slots, running, version, instance"),
            ({"running": ["x" * 27]}, "running[0]", "at most 26"),
            ({"capabilities": {"platform": "x", "runtimes": ["perl"]}}, "capabilities.runtimes[0]", "must be 'python'"),
        ],
    )
    async def test_what_is_refused(self, shell: Shell, body: dict[str, Any], field: str, words: str) -> None:
        await shell.configure()
        reply = await shell("POST", "/agent/poll", {**POLL, **body}, token=await shell.enrol())
        assert words in reply.errors()[field]

    async def test_a_credential_comes_before_the_body(self, shell: Shell) -> None:
        (await shell("POST", "/agent/poll", data=b"{", token=None)).problem(401)


class TestUnderTheLease:
    async def test_renew_logs_result(self, shell: Shell) -> None:
        event_id, token, credential = await claimed(shell)
        for call in ("renew", "logs"):
            shell.clock.seconds += 10
            answer = await shell.ok("POST", f"/agent/events/{event_id}/{call}", said(call, token), token=credential)
            assert (answer["lease_seconds"], answer["watched"]) == (30, False)
            token = answer["token"]
        recorded = await shell.ok("POST", f"/agent/events/{event_id}/result", said("result", token), token=credential)
        assert recorded == {"recorded": True}

    async def test_a_repeated_result_is_200(self, shell: Shell) -> None:
        event_id, token, credential = await claimed(shell)
        for _ in range(3):
            await shell.ok("POST", f"/agent/events/{event_id}/result", said("result", token), token=credential)

    async def test_the_address_may_be_in_lower_case(self, shell: Shell) -> None:
        event_id, token, credential = await claimed(shell)
        await shell.ok("POST", f"/agent/events/{event_id.lower()}/renew", said("renew", token), token=credential)

    @pytest.mark.parametrize("call", CALLS)
    async def test_of_a_cancelled_event_is_409_with_the_reason(self, shell: Shell, call: str) -> None:
        event_id, token, credential = await claimed(shell)
        await shell.ok("POST", f"/api/events/{event_id}/cancel")
        body = said(call, token)
        reply = await shell("POST", f"/agent/events/{event_id}/{call}", body, token=credential)
        assert reply.problem(409)["reason"] == "cancelled"

    @pytest.mark.parametrize("call", CALLS)
    async def test_of_an_event_that_another_took_over_is_409_with_the_reason(self, shell: Shell, call: str) -> None:
        event_id, token, credential = await claimed(shell)
        other = await shell.enrol("other")
        shell.clock.seconds += 60
        assert (await shell("POST", "/agent/poll", POLL, token=other)).status == 204  # seen expired once
        shell.clock.seconds += 60
        assert (await shell.claim(other))["event_id"] == event_id
        reply = await shell("POST", f"/agent/events/{event_id}/{call}", said(call, token), token=credential)
        if call == "logs":
            assert reply.status in (200, 409)  # lines of an attempt that was lost are kept
        else:
            assert reply.problem(409)["reason"] == "superseded"

    @pytest.mark.parametrize("call", CALLS)
    async def test_a_lease_is_worthless_with_another_sinks_credential(self, shell: Shell, call: str) -> None:
        event_id, token, _ = await claimed(shell)
        other = await shell.enrol("other")
        reply = await shell("POST", f"/agent/events/{event_id}/{call}", said(call, token), token=other)
        assert "another sink" in reply.problem(400)["detail"]

    @pytest.mark.parametrize("call", CALLS)
    async def test_a_lease_is_worthless_for_another_event(self, shell: Shell, call: str) -> None:
        _, token, credential = await claimed(shell)
        other = await shell.fire()
        reply = await shell("POST", f"/agent/events/{other}/{call}", said(call, token), token=credential)
        assert "another event" in reply.problem(400)["detail"]

    @pytest.mark.parametrize("call", CALLS)
    async def test_one_that_was_altered_is_refused(self, shell: Shell, call: str) -> None:
        event_id, token, credential = await claimed(shell)
        # Not the last character: some of its bits mean nothing, and another with the same others is the same token.
        body = said(call, f"{token[:-2]}{'A' if token[-2] != 'A' else 'B'}{token[-1]}")
        reply = await shell("POST", f"/agent/events/{event_id}/{call}", body, token=credential)
        assert "not made by this hub" in reply.problem(400)["detail"]

    @pytest.mark.parametrize(
        ("call", "body", "field", "words"),
        [
            ("secrets", {}, "token", "is required"),
            ("secrets", {"names": ["api-token"]}, "names", "allowed are token"),
            ("renew", {}, "token", "is required"),
            ("logs", {"chunk": {"first": 0, "lines": []}}, "chunk.first", "greater than or equal to 1"),
            ("result", {"state": "DONE"}, "state", "must be 'SUCCESS'"),
            ("result", {"stat": 1}, "stat", "allowed are token, state, code"),
        ],
    )
    async def test_what_is_refused(self, shell: Shell, call: str, body: dict[str, Any], field: str, words: str) -> None:
        event_id, token, credential = await claimed(shell)
        sent = {**said(call, token), **body} if body else {}
        reply = await shell("POST", f"/agent/events/{event_id}/{call}", sent, token=credential)
        assert words in reply.errors()[field]

    async def test_the_largest_result_fits_and_one_byte_more_is_413(self, shell: Shell) -> None:
        event_id, token, credential = await claimed(shell)
        most = shell.hub.options.terms.max_payload
        result = {**said("result", token), "data": "x" * (most - 1)}
        (await shell("POST", f"/agent/events/{event_id}/result", result, token=credential)).problem(413)
        result["data"] = "x" * (most - 2)
        await shell.ok("POST", f"/agent/events/{event_id}/result", result, token=credential)
        assert (await shell.ok("GET", f"/api/events/{event_id}"))["result_data"] == result["data"]

    async def test_data_that_is_no_strict_json_is_refused_with_its_place(self, shell: Shell) -> None:
        event_id, _, credential = await claimed(shell)
        for data, place in ((b'{"data": {"a": NaN}}', "/data/a"), (b'{"data": 1, "data": 2}', "/data")):
            reply = await shell("POST", f"/agent/events/{event_id}/result", data=data, token=credential)
            assert list(reply.errors()) == [place]


async def test_a_sink_whose_type_has_work_for_another_gets_none(shell: Shell) -> None:
    await shell.configure()
    await shell.ok("PUT", "/api/sink-types/OTHER", {})
    made = await shell.ok("POST", "/api/enrolments", {"sink_type": "OTHER"})
    enrolled = {"token": made["token"], "name": "other", "version": "1"}
    credential = (await shell.ok("POST", "/agent/enroll", enrolled, token=None))["credential"]
    await shell.fire()
    assert (await shell("POST", "/agent/poll", POLL, token=credential)).status == 204
    assert (await shell.claim(await shell.enrol()))["event_type"] == "GO"
