"""What the publisher client really sends to a topic, over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from hub.announce.event_grid import EventGridTopic
from hub.errors import Unavailable
from hub.rules.announcing import announcements
from tests.unit.factories import NOW, running

KEY = "canary-key-of-the-topic"


class TopicServer:
    """Takes what is published, or refuses it."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200

    async def take(self, request: web.BaseRequest) -> web.StreamResponse:
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.bodies.append(json.loads(await request.read()))
        return web.Response(status=self.status, text="words of the service")


@pytest.fixture
async def served() -> AsyncIterator[tuple[TopicServer, str]]:
    topic = TopicServer()
    runner = web.ServerRunner(web.Server(topic.take))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield topic, f"http://{host}:{port}/api/events"
    await runner.cleanup()


async def test_changes_arrive_as_cloud_events(served: tuple[TopicServer, str]) -> None:
    server, address = served
    topic = EventGridTopic(address, KEY, "https://hub.example.com")
    event = running(correlation_id="order-7")
    await topic.publish(announcements(event))
    await topic.close()
    await asyncio.sleep(0)

    (body,), (headers,) = server.bodies, server.headers
    assert headers["content-type"].startswith("application/cloudevents-batch+json")
    assert headers["aeg-sas-key"] == KEY
    created, began = body
    assert (created["specversion"], created["type"]) == ("1.0", "nexomatic.event.queued")
    assert (began["id"], began["type"]) == (f"{event.id}.1", "nexomatic.event.running")
    assert (began["source"], began["subject"]) == ("https://hub.example.com", f"events/{event.id}")
    assert began["time"].startswith(NOW.isoformat(timespec="seconds")[:19])
    assert began["data"]["correlation_id"] == "order-7"
    assert (began["data"]["state"], began["data"]["sink"], began["data"]["attempt"]) == ("RUNNING", "sink-1", 1)


@pytest.mark.parametrize("status", [400, 401, 429, 503])
async def test_a_refusal_is_tried_again_later_and_tells_nothing_of_the_key(
    served: tuple[TopicServer, str], status: int
) -> None:
    server, address = served
    server.status = status
    topic = EventGridTopic(address, KEY, "hub")
    with pytest.raises(Unavailable) as refusal:
        await topic.publish(announcements(running()))
    await topic.close()
    assert KEY not in str(refusal.value)
    assert "words of the service" not in str(refusal.value)


async def test_a_topic_that_is_not_there_is_tried_again_later() -> None:
    topic = EventGridTopic("http://127.0.0.1:9/api/events", KEY, "hub")
    with pytest.raises(Unavailable):
        await topic.publish(announcements(running()))
    await topic.close()
