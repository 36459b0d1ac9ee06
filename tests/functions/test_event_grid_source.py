"""Event Grid in the hub, over real sockets: the publisher client sends to a topic, which delivers to the hub's host."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from azure.core.credentials import AzureKeyCredential
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent
from azure.eventgrid.aio import EventGridPublisherClient

from hosting.functions_host import FunctionsHost, Options
from tests.functions.shell import SINK_TYPE, Shell, indexed
from tests.hosting.support import PLAIN, Reply, ask

KEY = "key-of-the-extension"
HOOK = f"/runtime/webhooks/eventgrid?functionName=eventgrid&code={KEY}"
TOPIC = "/subscriptions/1/resourceGroups/plant/providers/Microsoft.EventGrid/topics/plant"
PAYLOAD = '{url: body.data.url, type: headers."ce-type", subject: headers."ce-subject"}'


@dataclass
class Topic:
    """As Event Grid: takes what is published, fills in what its own schema leaves to it, and delivers it in a batch."""

    host: FunctionsHost
    batches: list[bytes] = field(default_factory=list)
    address: str = ""

    async def take(self, request: web.BaseRequest) -> web.StreamResponse:
        assert request.headers["aeg-sas-key"] == "key-of-the-topic"
        events = json.loads(await request.read())
        if not request.content_type.startswith("application/cloudevents"):
            events = [{**each, "topic": TOPIC, "metadataVersion": "1"} for each in events]
        self.batches.append(json.dumps(events).encode())
        assert (await self.deliver(self.batches[-1])).status == 202
        return web.Response(status=200)

    async def deliver(self, batch: bytes, kind: str = "Notification", hook: str = HOOK) -> Reply:
        return await ask(self.host, hook, "POST", [("aeg-event-type", kind)], batch)

    async def publish(self, *events: Any) -> None:
        async with EventGridPublisherClient(self.address, AzureKeyCredential("key-of-the-topic")) as client:
            await client.send(list(events))


@pytest.fixture
async def topic(shell: Shell, tmp_path: Path) -> AsyncIterator[Topic]:
    settings = {"host.systemKey.eventgrid_extension": KEY, "AzureWebJobs.tick.Disabled": "true"}
    async with FunctionsHost(indexed(), settings, PLAIN, Options(home=tmp_path, port=0)) as host:
        topic = Topic(host)
        runner = web.ServerRunner(web.Server(topic.take))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        topic.address = "http://{}:{}/api/events".format(*runner.addresses[0][:2])
        yield topic
        await runner.cleanup()


async def configure(shell: Shell, source: dict[str, Any] | None = None, **event_type: Any) -> None:
    """An event type GO that a source `blobs` fires."""
    common = {"name": "GO", "sink_type": SINK_TYPE, "action": "go", "payload": PAYLOAD}
    document = {"name": "blobs", "kind": "EVENTGRID", "event_types": ["GO"], **(source or {})}
    await shell.ok(
        "PUT",
        "/api/configuration",
        {
            "sink_types": [{"name": SINK_TYPE}],
            "actions": [{"name": "go", "runtime": "python", "module": "m:f"}],
            "event_types": [{**common, **event_type}],
            "sources": [document],
        },
    )


async def events(shell: Shell) -> list[Any]:
    """All events, whole, the oldest first."""
    listed = (await shell.ok("GET", "/api/events"))["items"]
    return [await shell.ok("GET", f"/api/events/{each['id']}") for each in reversed(listed)]


async def receipts(shell: Shell) -> list[Any]:
    items: list[Any] = (await shell.ok("GET", "/api/sources/blobs/receipts"))["items"]
    return items


def own(name: str, **fields: Any) -> EventGridEvent:
    more = {"event_time": datetime(2026, 1, 1, tzinfo=UTC), **fields}
    data = {"url": f"https://plant.blob.core.windows.net/{name}"}
    return EventGridEvent(f"/blobs/{name}", "Microsoft.Storage.BlobCreated", data, "1", id=f"id-{name}", **more)


def cloud(name: str, **fields: Any) -> CloudEvent[Any]:
    data = {"url": f"https://plant.blob.core.windows.net/{name}"}
    told = {"data": data, "subject": f"/blobs/{name}", "id": f"id-{name}", **fields}
    return CloudEvent(TOPIC, "Microsoft.Storage.BlobCreated", **told)


@pytest.mark.parametrize("make", [own, cloud], ids=["EventGridEvent", "CloudEvent"])
async def test_what_the_publisher_sends_arrives_alike_in_both_schemas(shell: Shell, topic: Topic, make: Any) -> None:
    await configure(shell, {"types": ["microsoft.storage.blobcreated"], "filter": "ends_with(body.data.url, 'csv')"})
    await topic.publish(make("a.csv"), make("b.txt"), make("c.csv"))
    found = sorted(await events(shell), key=lambda each: str(each["payload"]))
    assert [each["payload"] for each in found] == [
        {
            "url": f"https://plant.blob.core.windows.net/{name}",
            "type": "Microsoft.Storage.BlobCreated",
            "subject": f"/blobs/{name}",
        }
        for name in ("a.csv", "c.csv")
    ]
    assert {(each["source_kind"], each["source"], each["state"]) for each in found} == {
        ("EVENTGRID", "blobs", "QUEUED")
    }
    listed = await receipts(shell)
    assert {each["verdict"] for each in listed} == {"accepted"}
    assert {each["headers"]["ce-source"] for each in listed} == {TOPIC}
    assert {each["id"] for each in listed} == {each["receipt_id"] for each in found}
    assert all(each["replayable"] and each["caller"] is None and each["method"] == "" for each in listed)


async def test_without_expressions_the_payload_is_the_whole_event(shell: Shell, topic: Topic) -> None:
    await configure(shell, payload=None)
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    await topic.publish(cloud("raw", data=b"\x00\xff", extensions={"traceparent": trace, "plant": "7"}))
    (found,) = await events(shell)
    (sent,) = json.loads(topic.batches[0])
    assert found["payload"] == sent
    assert (sent["data_base64"], sent["plant"]) == ("AP8=", "7")
    assert (await shell.hub.context.events.get(found["id"])).event.traceparent == trace


@pytest.mark.parametrize("make", [own, cloud], ids=["EventGridEvent", "CloudEvent"])
async def test_a_batch_that_comes_again_fires_nothing_twice(shell: Shell, topic: Topic, make: Any) -> None:
    await configure(shell)
    await topic.publish(make("a"), make("b"))
    before = await events(shell)
    shell.clock.seconds += 3 * 3600  # into another hour: ids must not follow the clock
    assert (await topic.deliver(topic.batches[0])).status == 202
    assert await events(shell) == before
    assert sorted(each["verdict"] for each in await receipts(shell)) == ["accepted"] * 2 + ["duplicate"] * 2


async def test_one_poison_event_in_a_batch_is_recorded_and_the_others_fire(shell: Shell, topic: Topic) -> None:
    await configure(shell, {"types": ["T"]}, payload="length(body.data)")
    batch = [
        {"id": "good", "eventType": "T", "data": "four"},
        {"id": "expression", "eventType": "T", "data": 4},
        {"eventType": "T", "data": "no id"},
        {"id": "long number", "eventType": "T", "data": 10**30},
        {"id": "large", "eventType": "T", "subject": "x" * 30_000, "data": ""},
        {"id": "of another type", "eventType": "U", "data": 4},
        {"of": "no schema"},
    ]
    for _ in range(2):
        assert (await topic.deliver(json.dumps(batch).encode())).status == 202
    (found,) = await events(shell)
    assert found["payload"] == 4
    told = Counter((each["verdict"], each["status"]) for each in await receipts(shell))
    # What has an id and an event type that fails leaves one receipt; what is refused, one each time that it comes.
    assert told == {
        ("accepted", 202): 1,
        ("duplicate", 202): 1,
        ("unfired", 202): 1,
        ("refused", 400): 4,
        ("refused", 413): 2,
    }
    reasons = {each["reason"] or each["event_types"][0]["reason"] or "" for each in await receipts(shell)}
    for words in ("no id", "length", "an integer is between", "at most 24576"):
        assert any(words in each for each in reasons), words


async def test_what_failed_can_be_replayed_once_it_is_put_right(shell: Shell, topic: Topic) -> None:
    await configure(shell, {"filter": "length(body.data) > `0`"}, payload="body.data")
    await topic.deliver(json.dumps({"id": "1", "eventType": "T", "data": 4}).encode())
    (receipt,) = await receipts(shell)
    assert (receipt["verdict"], receipt["event_types"][0]["fate"]) == ("unfired", "failed")
    assert receipt["event_types"][0]["reason"].startswith("the source's filter: ")
    assert await events(shell) == []
    shell.clock.seconds += 1
    replayed = await shell("POST", f"/api/sources/blobs/receipts/{receipt['id']}/replay")
    assert replayed.status == 201
    (found,) = await events(shell)
    assert (found["payload"], found["source_kind"], found["replay_of"]) == (4, "EVENTGRID", receipt["id"])
    newest = await shell.ok("GET", f"/api/sources/blobs/receipts/{replayed.json['receipt_id']}")
    assert (newest["verdict"], newest["replay_of"]) == ("accepted", receipt["id"])
    accepted = await shell("POST", f"/api/sources/blobs/receipts/{newest['id']}/replay")
    assert accepted.status == 201
    await shell.ok("PATCH", "/api/sources/blobs", {"enabled": False})
    refusal = await shell("POST", f"/api/sources/blobs/receipts/{receipt['id']}/replay")
    assert "switched off" in refusal.problem(409)["detail"]


async def test_a_paused_source_refuses_and_takes_what_comes_after_it(shell: Shell, topic: Topic) -> None:
    await configure(shell)
    batch = json.dumps([{"id": "1", "eventType": "T", "data": {}}]).encode()
    await shell.ok("POST", "/api/sources/blobs/pause", {"note": "we look"})
    refused = await topic.deliver(batch)
    assert (refused.status, "paused" in refused.text) == (500, True)
    (receipt,) = await receipts(shell)
    assert (receipt["verdict"], receipt["status"]) == ("refused", 503)
    assert await events(shell) == []
    await shell.ok("POST", "/api/sources/blobs/resume")
    assert (await topic.deliver(batch)).status == 202
    assert len(await events(shell)) == 1


class TestTheEndpoint:
    async def test_the_handshake_of_its_own_schema(self, shell: Shell, topic: Topic) -> None:
        data = {"validationCode": "512d38b6", "validationUrl": "https://rp.eventgrid.azure.net/validate"}
        event = {"id": "1", "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": data}
        reply = await topic.deliver(json.dumps([event]).encode(), "SubscriptionValidation")
        assert (reply.status, json.loads(reply.body)) == (200, {"validationResponse": "512d38b6"})

    async def test_the_handshake_of_cloud_events(self, shell: Shell, topic: Topic) -> None:
        headers = [("WebHook-Request-Origin", "eventgrid.azure.net"), ("WebHook-Request-Callback", "https://x")]
        reply = await ask(topic.host, HOOK, "OPTIONS", headers)
        assert (reply.status, reply.values("WebHook-Allowed-Origin")) == (200, ["eventgrid.azure.net"])

    @pytest.mark.parametrize("key", ["", "&code=wrong"])
    async def test_it_is_closed_without_the_system_key(self, shell: Shell, topic: Topic, key: str) -> None:
        await configure(shell)
        address = urlsplit(HOOK)
        hook = f"{address.path}?functionName=eventgrid{key}"
        assert (await topic.deliver(b'{"id": "1", "eventType": "T"}', hook=hook)).status == 401
        assert await events(shell) == []

    async def test_a_hub_that_cannot_be_opened_is_sent_the_event_again(
        self, shell: Shell, topic: Topic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from hub import process
        from hub.per_loop import PerLoop

        monkeypatch.setattr(process, "_hubs", PerLoop())
        monkeypatch.setenv("NEXOMATIC_STORAGE", "nonsense")
        assert (await topic.deliver(b'{"id": "1", "eventType": "T"}')).status == 500


class TestTheDocument:
    async def test_it_reads_back_as_it_was_written(self, shell: Shell) -> None:
        await configure(shell, {"types": ["A", "B"], "subject_begins_with": "/blobs", "filter": "body.data"})
        assert await shell.ok("GET", "/api/sources/blobs") == {
            "name": "blobs",
            "kind": "EVENTGRID",
            "event_types": ["GO"],
            "types": ["A", "B"],
            "subject_begins_with": "/blobs",
            "subject_ends_with": None,
            "filter": "body.data",
            "pause": None,
            "enabled": True,
        }

    @pytest.mark.parametrize(
        ("fields", "field", "words"),
        [
            ({"filter": "body."}, "filter", "after a dot"),
            ({"types": ["A", "a"]}, "types[1]", "there already"),
            ({"types": [""]}, "types[0]", "character"),
            ({"subject_begins_with": "x" * 1025}, "subject_begins_with", "1024"),
            ({"event_types": ["NONE"]}, "event_types[0]", "no event type"),
            ({"dedupe": None}, "dedupe", "is not a field here"),
        ],
    )
    async def test_what_is_wrong_is_refused(self, shell: Shell, fields: Any, field: str, words: str) -> None:
        await configure(shell)
        document = {"kind": "EVENTGRID", "event_types": ["GO"], **fields}
        errors = (await shell("PUT", "/api/sources/other", document)).errors()
        assert words in errors[field]

    async def test_an_event_type_that_may_not_be_fired_so_is_refused(self, shell: Shell) -> None:
        await shell.configure(sources=["WEBHOOK"])
        errors = (await shell("PUT", "/api/sources/other", {"kind": "EVENTGRID", "event_types": ["GO"]})).errors()
        assert "may not be fired by EVENTGRID" in errors["event_types[0]"]
