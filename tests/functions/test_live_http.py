"""Live answers: held back while there is nothing new, given at once when there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hub.api import live
from hub.configure import copy
from tests.functions.browsers import invited
from tests.functions.shell import POLL, Reply, Shell, opened_shell

NEVER = 1000.0


@pytest.fixture
def only_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked at by itself: who is answered was woken."""
    monkeypatch.setattr(live, "FIRST_LOOK_SECONDS", NEVER)
    monkeypatch.setattr(live, "SETTLE_SECONDS", 0.0)


@pytest.fixture
def only_looks(monkeypatch: pytest.MonkeyPatch, shell: Shell) -> None:
    """Nobody is told of anything, as if another process had done it."""
    monkeypatch.setattr(live, "FIRST_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(live, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(shell.hub.watchers._waiting, "tell", lambda _: None)


async def etag_of(shell: Shell, url: str) -> str:
    reply = await shell("GET", url)
    assert reply.status == 200
    return reply.headers["etag"]


@asynccontextmanager
async def waiting(shell: Shell, url: str, **headers: Any) -> AsyncIterator[asyncio.Task[Reply]]:
    """A request that is held, and answered once what is done meanwhile is done."""
    async with held(shell, shell("GET", url, **headers)) as asking:
        yield asking
    await asyncio.wait_for(asking, 60)


@asynccontextmanager
async def held(shell: Shell, asked: Awaitable[Reply]) -> AsyncIterator[asyncio.Task[Reply]]:
    before = shell.hub.held.count
    asking = asyncio.ensure_future(asked)
    while shell.hub.held.count == before:
        assert not asking.done(), asking.result()
        await asyncio.sleep(0)
    for _ in range(50):  # its first look
        await asyncio.sleep(0)
    assert not asking.done(), asking.result()
    yield asking


async def cancel(shell: Shell, event_id: str) -> None:
    await shell.ok("POST", f"/api/events/{event_id}/cancel")


async def fire_another(shell: Shell, event_id: str) -> None:
    await shell.fire()


@pytest.mark.parametrize(
    ("url", "change"), [("/api/events/{id}", cancel), ("/api/events", cancel), ("/api/events", fire_another)]
)
@pytest.mark.usefixtures("only_news")
async def test_news_of_this_process_is_answered_at_once(
    shell: Shell, url: str, change: Callable[[Shell, str], Awaitable[None]]
) -> None:
    await shell.configure()
    event_id = await shell.fire()
    url = url.format(id=event_id)
    known = await etag_of(shell, url)
    async with waiting(shell, f"{url}?wait=100", if_none_match=known) as asking:
        await change(shell, event_id)
    assert asking.result().status == 200
    assert asking.result().headers["etag"] != known
    assert asking.result().json == await shell.ok("GET", url)
    assert shell.hub.held.count == 0


@pytest.mark.usefixtures("only_news")
async def test_a_line_of_log_is_answered_at_once(shell: Shell) -> None:
    await shell.configure()
    event_id = await shell.fire()
    credential = await shell.enrol()
    task = await shell.claim(credential)
    line = {"time": "2026-03-01T12:00:00Z", "stream": "stdout", "level": "INFO", "text": "so far"}
    body = {"token": task["token"], "chunk": {"first": 1, "lines": [line]}}
    async with waiting(shell, f"/api/events/{event_id}/logs?wait=100") as asking:
        await shell.ok("POST", f"/agent/events/{event_id}/logs", body, token=credential)
    (read,) = asking.result().json["lines"]
    assert read["text"] == "so far"

    async with waiting(shell, f"/api/events/{event_id}/logs?after={read['seq']}&wait=100") as asking:
        await cancel(shell, event_id)
    assert asking.result().json == {"lines": [], "complete": True}


async def test_what_another_process_does_is_found_by_looking(shell: Shell, only_looks: None) -> None:
    await shell.configure()
    for template in ("/api/events/{id}", "/api/events", "/api/events/{id}/logs"):
        event_id = await shell.fire()
        url = template.format(id=event_id)
        known = await etag_of(shell, url)
        async with waiting(shell, f"{url}?wait=100", if_none_match=known) as asking:
            await cancel(shell, event_id)
        assert asking.result().status == 200


async def test_sinks_are_watched_too(shell: Shell, only_looks: None) -> None:
    await shell.configure()
    credential = await shell.enrol()
    for url in ("/api/sinks", "/api/sinks/box"):
        known = await etag_of(shell, url)
        async with waiting(shell, f"{url}?wait=100", if_none_match=known) as asking:
            shell.clock.seconds += 60
            await shell("POST", "/agent/poll", POLL, token=credential)
        assert asking.result().status == 200


async def test_without_news_it_is_not_modified(shell: Shell) -> None:
    await shell.configure()
    event_id = await shell.fire()
    url = f"/api/events/{event_id}"
    known = await etag_of(shell, url)
    for wait in ("", "?wait=0", "?wait=0.01"):
        reply = await shell("GET", url + wait, if_none_match=f'"other", W/{known}')
        assert (reply.status, reply.body, reply.headers["etag"]) == (304, b"", known)
        assert "retry-after" not in reply.headers
    assert (await shell("GET", f"{url}?wait=100", if_none_match='"other"')).status == 200
    assert (await shell("GET", f"{url}?wait=100")).status == 200


async def test_a_log_with_nothing_new_is_held_back_and_then_told(shell: Shell) -> None:
    await shell.configure()
    reply = await shell("GET", f"/api/events/{await shell.fire()}/logs?wait=0.01")
    assert (reply.status, reply.json) == (200, {"lines": [], "complete": False})


@pytest.mark.parametrize("wait", ["-1", "101", "nan", "inf", "soon"])
async def test_times_that_are_refused(shell: Shell, wait: str) -> None:
    assert "wait" in (await shell("GET", f"/api/events?wait={wait}")).errors()


async def test_where_nothing_is_live_there_is_no_such_parameter(shell: Shell) -> None:
    assert "wait" in (await shell("GET", "/api/tokens?wait=1")).errors()


async def test_it_counts_as_a_request_held_open() -> None:
    async with opened_shell(max_held_polls=1) as shell:
        await shell.configure()
        credential = await shell.enrol()
        event_id = await shell.fire()
        url = f"/api/events/{event_id}"
        asked = shell("GET", f"{url}?wait=100", if_none_match=await etag_of(shell, url))
        async with held(shell, asked) as asking:
            known = await etag_of(shell, "/api/events")
            reply = await shell("GET", "/api/events?wait=100", if_none_match=known)
            assert (reply.status, reply.headers["retry-after"]) == (304, "5")
            await shell.fire()  # nobody is told of it
            polled = await shell("POST", "/agent/poll", POLL, token=credential)
            assert polled.status == 204  # there is work, but this process holds as many as it may
            await cancel(shell, event_id)
        assert (await asyncio.wait_for(asking, 60)).status == 200
        assert await shell.claim(credential)


async def test_who_is_revoked_meanwhile_reads_nothing(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy, "NEWS_SECONDS", 0)
    await shell.configure()
    event_id = await shell.fire()
    url = f"/api/events/{event_id}"
    token = (await shell.ok("POST", "/api/tokens", {"name": "looker", "role": "VIEWER"}))["token"]
    known = (await shell("GET", url, token=token)).headers["etag"]
    async with waiting(shell, f"{url}?wait=100", token=token, if_none_match=known) as asking:
        await shell.ok("DELETE", "/api/tokens/looker")
        await cancel(shell, event_id)
    asking.result().problem(401)


async def test_who_has_no_role_any_more_reads_nothing(shell: Shell) -> None:
    await shell.configure()
    event_id = await shell.fire()
    browser = await invited(shell, "vera")
    url = f"/api/events/{event_id}"
    known = (await browser("GET", url)).headers["etag"]
    asked = browser("GET", f"{url}?wait=100", None, if_none_match=known)
    async with held(shell, asked) as asking:
        await shell.ok("DELETE", "/api/users/vera")
        await cancel(shell, event_id)
    (await asyncio.wait_for(asking, 60)).problem(401)
