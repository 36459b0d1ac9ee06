"""A real hub process over a real file with a past, and a fleet that waits: what it answers, and how often it looks."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.size.asking import Asker
from tests.size.filling import WEBHOOK_KEY, Story, fill_file
from tests.size.history import RARE, RARE_CORRELATION
from tests.size.hub_process import HubProcess
from tests.size.polling import enrol, fleet

EVENTS = 20_000
WAITING = 500
SINKS = 200
FLEET = "IDLE:FLEET"
WATCHED_SECONDS = 5.0
REST_SECONDS = 60.0
MOST_RECEIVES_A_SECOND = 1.8
"""The queue once a second, its overflow each five, however many wait; and one of each at the edges of the watch."""

pytestmark = pytest.mark.processes


@pytest.mark.timeout(600)
def test_a_hub_with_a_past_and_a_fleet(tmp_path: Path) -> None:
    story = Story(EVENTS, datetime.now(UTC), timedelta(days=10), queued=WAITING)
    asyncio.run(fill_file(tmp_path / "nexomatic.db", story))
    settings = {"NEXOMATIC_HTTP_CONCURRENCY": "400"}
    with HubProcess(tmp_path, settings, first=f"/hooks/{WEBHOOK_KEY}") as hub:
        asker = Asker(hub)
        hub.tick()
        _lists(asker)
        _finds_the_oldest(asker)
        hub.client.put(f"/api/sink-types/{FLEET}", {"name": FLEET})
        asyncio.run(_waits(hub, asker))


def _lists(asker: Asker) -> None:
    items = asker.ask("/api/events?limit=200")["items"]
    assert [each["id"] for each in items] == sorted((each["id"] for each in items), reverse=True)
    assert len(items) == 200
    waiting = _all(asker, "/api/events?state=QUEUED,RUNNING&limit=200")
    assert len(waiting) == WAITING + 1  # one came by the webhook
    failed = _all(asker, "/api/events?state=ERROR&limit=200")
    assert failed[-1]["event_type"] == RARE
    assert len(failed) > EVENTS // 200
    one = asker.ask(f"/api/events/{failed[0]['id']}")
    assert one["attempts"][-1]["outcome"] == "ERROR"
    assert len(asker.ask(f"/api/events/{one['id']}/logs")["lines"]) >= 8


def _finds_the_oldest(asker: Asker) -> None:
    """Each page of a search looks at two thousand events and says how far it came."""
    pages: list[Any] = [asker.ask(f"/api/events?search={RARE_CORRELATION}")]
    while pages[-1]["cursor"] is not None:
        pages.append(asker.ask(f"/api/events?search={RARE_CORRELATION}&cursor={pages[-1]['cursor']}"))
    assert [each["event_type"] for page in pages for each in page["items"]] == [RARE]
    reached = [page["searched_to"] for page in pages[:-1]]
    assert reached == sorted(reached, reverse=True)
    assert len(pages) >= EVENTS // 2000


def _all(asker: Asker, address: str) -> list[Any]:
    page = asker.ask(address)
    items: list[Any] = page["items"]
    while page["cursor"] is not None:
        page = asker.ask(f"{address}&cursor={page['cursor']}")
        items += page["items"]
    return items


async def _watch(hub: HubProcess, seconds: float) -> tuple[float, Counter[str]]:
    """Receives a second, and all operations, over some seconds."""
    began, before = hub.operations()
    await asyncio.sleep(seconds)
    ended, after = hub.operations()
    spent = after - before
    assert ended > began
    return spent["queue.receive"] / (ended - began), spent


async def _waits(hub: HubProcess, asker: Asker) -> None:
    members, _ = await enrol(hub.url, FLEET, SINKS)
    async with fleet(hub.url, members) as waiting:
        await waiting.until_waiting(SINKS)
        async with asyncio.timeout(REST_SECONDS):
            while (await _watch(hub, 2.0))[0] > MOST_RECEIVES_A_SECOND:
                pass  # each sink's introduction is a look of its own, and the last ones may be under way
        receives, spent = await _watch(hub, WATCHED_SECONDS)
        assert receives <= MOST_RECEIVES_A_SECOND
        assert spent["table.replace"] <= SINKS
        assert (waiting.waiting, waiting.tasks) == (SINKS, 0)
        sinks = await asyncio.to_thread(_all, asker, "/api/sinks?limit=150")
        assert [each["state"] for each in sinks] == ["ONLINE"] * SINKS
