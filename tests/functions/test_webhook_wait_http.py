"""`?wait=SECONDS`: the answer is the result itself when the event ends in time, and 202 as ever when it does not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hub import process
from hub.life import waits
from hub.rules.cadence import Fleet
from hub.wire import Poll
from tests.functions.shell import POLL, Reply, Shell, opened_shell
from tests.loop_time import move_loop_time


async def waiting(shell: Shell, count: int = 1) -> None:
    """Until so many requests wait."""
    while shell.hub.held.count < count:  # noqa: ASYNC110 - nothing tells when
        await asyncio.sleep(0)


async def report(shell: Shell, credential: str, task: Any, **result: Any) -> None:
    body = {"token": task["token"], **result}
    await shell.ok("POST", f"/agent/events/{task['event_id']}/result", body, token=credential)


HANGING_SECONDS = 60
"""Less than what is waited for: whoever is not woken fails."""


async def test_the_result_itself_at_once_when_the_event_ends_here(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits, "FIRST_LOOK_SECONDS", 1000)
    path = await shell.configure()
    credential = await shell.enrol()
    asked = asyncio.create_task(shell("POST", f"{path}?wait=100", {"n": 1}, token=None))
    await waiting(shell)
    task = await shell.claim(credential)
    before = shell.hub.storage.operations.by_kind()["table.get"]
    await report(shell, credential, task, state="WARNING", code="7", message="look", data={"rows": [1, 2]})
    reply: Reply = await asyncio.wait_for(asked, HANGING_SECONDS)
    assert shell.hub.storage.operations.by_kind()["table.get"] - before == 1  # one look, for the result
    assert reply.status == 200
    answer = reply.json
    assert answer["finished_at"].endswith("Z")
    told = {name: answer[name] for name in ("event_id", "state", "result_code", "result_message", "result_data")}
    assert told == {
        "event_id": task["event_id"],
        "state": "WARNING",
        "result_code": "7",
        "result_message": "look",
        "result_data": {"rows": [1, 2]},
    }
    assert answer["status_url"]
    assert answer["events"][0]["fired"] is True
    assert shell.hub.held.count == 0


async def test_a_large_result_is_answered_whole(shell: Shell) -> None:
    path = await shell.configure()
    credential = await shell.enrol()
    asked = asyncio.create_task(shell("POST", f"{path}?wait=100", {}, token=None))
    await waiting(shell)
    await report(shell, credential, await shell.claim(credential), state="SUCCESS", data="x" * 100_000)
    assert (await asked).json["result_data"] == "x" * 100_000


async def test_any_end_wakes(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "FIRST_LOOK_SECONDS", 1000)
    path = await shell.configure(queue_timeout_seconds=60)
    for end in ("cancel", "time-out"):
        asked = asyncio.create_task(shell("POST", f"{path}?wait=100", {}, token=None))
        await waiting(shell)
        (event_id,) = shell.hub.waits._waiting.topics
        if end == "cancel":
            await shell.ok("POST", f"/api/events/{event_id}/cancel")
        else:
            shell.clock.seconds += 61
            await shell.hub.upkeep.tick()
        answer = (await asyncio.wait_for(asked, HANGING_SECONDS)).json
        assert answer["state"] == "ERROR"
        assert answer["result_code"] in ("CANCELLED", "QUEUE_TIMEOUT")


async def test_an_end_in_another_process_is_found_by_looking(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "FIRST_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(waits, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(shell.hub.waits, "ended", lambda _: None)
    path = await shell.configure()
    asked = asyncio.create_task(shell("POST", f"{path}?wait=100", {}, token=None))
    await waiting(shell)
    (event_id,) = shell.hub.waits._waiting.topics
    await shell.ok("POST", f"/api/events/{event_id}/cancel")
    assert (await asked).json["result_code"] == "CANCELLED"


async def test_202_with_the_state_of_the_moment_when_the_time_is_over(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await shell.configure()
    credential = await shell.enrol()
    asked = asyncio.create_task(shell("POST", f"{path}?wait=100", {}, token=None))
    await waiting(shell)
    await shell.claim(credential)
    move_loop_time(monkeypatch, 100)
    reply = await asked
    assert (reply.status, reply.json["state"]) == (202, "RUNNING")
    assert "result_data" not in reply.json


@pytest.mark.parametrize("wait", ["101", "100.1", "-1", "1e1", "soon", "1,2", "٣"])
async def test_what_is_no_number_of_seconds_is_400_and_fires_nothing(shell: Shell, wait: str) -> None:
    path = await shell.configure()
    reply = await shell("POST", f"{path}?wait={wait}", {}, token=None)
    assert "from 0 to 100" in reply.errors()["wait"]
    assert (await shell.ok("GET", "/api/events"))["items"] == []


async def test_nothing_to_wait_for_is_answered_at_once(shell: Shell) -> None:
    path = await shell.configure(filter="`false`")
    assert (await shell("POST", f"{path}?wait=100", {}, token=None)).status == 202
    await shell.configure(filter=None)
    assert (await shell("POST", f"{path}?wait=0", {}, token=None)).status == 202


async def test_a_repeated_delivery_is_answered_with_the_result_of_the_first(shell: Shell) -> None:
    path = await shell.configure({"dedupe": {"header": "X-Id"}})
    first = (await shell("POST", path, {}, token=None, x_id="1")).json
    await shell.ok("POST", f"/api/events/{first['event_id']}/cancel")
    reply = await shell("POST", f"{path}?wait=100", {}, token=None, x_id="1")
    assert (reply.status, reply.json["duplicate"], reply.json["result_code"]) == (200, True, "CANCELLED")
    assert reply.json["events"][0] == {
        "event_type": "GO",
        "event_id": first["event_id"],
        "fired": False,
        "reason": "fired by an earlier delivery",
    }


class TestHeldRequests:
    async def test_one_that_waits_counts_as_a_held_poll(self) -> None:
        async with opened_shell(max_held_polls=2) as shell:
            path = await shell.configure()
            credential = await shell.enrol()
            asked = [asyncio.create_task(shell("POST", f"{path}?wait=100", {}, token=None)) for _ in range(2)]
            await waiting(shell, 2)
            third = await shell("POST", f"{path}?wait=100", {}, token=None)
            assert third.status == 202
            crowded = await shell("POST", "/agent/poll", POLL, token=credential)
            assert crowded.status == 204  # three events wait for it, and it is sent away all the same
            for event_id in list(shell.hub.waits._waiting.topics):
                await shell.ok("POST", f"/api/events/{event_id}/cancel")
            assert [reply.status for reply in await asyncio.gather(*asked)] == [200, 200]
            assert await shell.claims(credential)

    async def test_a_process_that_is_about_to_stop_answers_what_it_holds_as_it_stands(self) -> None:
        async with opened_shell() as shell:
            path = await shell.configure()
            asked = asyncio.create_task(shell("POST", f"{path}?wait=100", {}, token=None))
            await waiting(shell, 1)
            (event_id,) = shell.hub.waits._waiting.topics
            known = (await shell("GET", f"/api/events/{event_id}")).headers["etag"]
            live = asyncio.create_task(shell("GET", f"/api/events/{event_id}?wait=100", if_none_match=known))
            await waiting(shell, 2)
            await process.let_go()
            assert [(await each).status for each in (asked, live)] == [202, 304]
            assert (await shell("POST", f"{path}?wait=100", {}, token=None)).status == 202
            assert shell.hub.held.count == 0

    async def test_and_held_polls_leave_no_room_for_it(self) -> None:
        async with opened_shell(max_held_polls=1) as shell:
            path = await shell.configure()
            await shell.enrol("box")
            sink = await shell.hub.sinks.get("box")
            object.__setattr__(shell.hub.polls._hold, "fleet", Fleet(poll_seconds=30))
            poll = asyncio.create_task(shell.hub.polls.poll(sink, Poll(slots=0, version="1", instance="instance-1")))
            while not shell.hub.polls.holding:  # noqa: ASYNC110
                await asyncio.sleep(0)
            assert (await shell("POST", f"{path}?wait=100", {}, token=None)).status == 202
            poll.cancel()
