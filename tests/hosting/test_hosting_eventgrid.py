"""Event Grid's webhook: handshakes, deliveries, and one run for each event."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from hosting.functions_host import FunctionsHost
from tests.hosting.support import Reply, ask, hosted, open_app

HOOK = "/runtime/webhooks/eventgrid?functionName=on_event"
EVENT = {
    "id": "1",
    "topic": "/topics/plant",
    "subject": "disk",
    "eventType": "Plant.DiskFull",
    "eventTime": "2026-01-01T00:00:00.1234567Z",
    "data": {"free": 12},
    "dataVersion": "1",
}
CLOUD_EVENT = {"specversion": "1.0", "id": "2", "source": "/plant", "type": "Plant.DiskFull", "data": {"free": 7}}


class Plant:
    """An app with one Event Grid function, and what it was given. An event with `fail` fails."""

    def __init__(self) -> None:
        self.app = open_app()
        self.seen: list[Any] = []
        self.together = asyncio.Event()
        self.expected = 1

        @self.app.event_grid_trigger("event")
        async def on_event(event: func.EventGridEvent) -> None:
            self.seen.append(event)
            if len(self.seen) == self.expected:
                self.together.set()
            await self.together.wait()  # passes only when all events of a delivery run at once
            if "fail" in event.get_json():
                raise RuntimeError(f"cannot take {event.id}")

        @self.app.route("web")
        async def web(req: func.HttpRequest) -> func.HttpResponse:
            raise NotImplementedError


async def deliver(host: FunctionsHost, content: Any, kind: str = "Notification", target: str = HOOK) -> Reply:
    return await ask(host, target, "POST", [("aeg-event-type", kind)], json.dumps(content).encode())


@pytest.fixture
def plant() -> Plant:
    return Plant()


async def test_a_delivery_is_one_run_for_each_event_all_at_once(plant: Plant, tmp_path: Path) -> None:
    plant.expected = 3
    async with hosted(plant.app, tmp_path, check_keys=False) as host:
        reply = await deliver(host, [{**EVENT, "id": str(number)} for number in range(3)])
    assert (reply.status, reply.body) == (202, b"")
    assert [(type(each), each.id) for each in plant.seen] == [(func.EventGridEvent, str(n)) for n in range(3)]
    first = plant.seen[0]
    assert (first.event_type, first.subject, first.get_json()) == ("Plant.DiskFull", "disk", {"free": 12})
    assert first.event_time.microsecond == 123456


async def test_one_failure_fails_the_delivery_with_its_message_after_all_have_run(plant: Plant, tmp_path: Path) -> None:
    plant.expected = 3
    async with hosted(plant.app, tmp_path, check_keys=False) as host:
        reply = await deliver(host, [EVENT, {**EVENT, "id": "bad", "data": {"fail": 1}}, EVENT])
    assert (reply.status, reply.text) == (500, "cannot take bad")
    assert len(plant.seen) == 3


async def test_a_cloud_event_is_a_cloud_event_whatever_the_annotation_says(plant: Plant, tmp_path: Path) -> None:
    async with hosted(plant.app, tmp_path, check_keys=False) as host:
        assert (await deliver(host, CLOUD_EVENT)).status == 202
    (event,) = plant.seen
    assert type(event).__name__ == "CloudEvent"
    assert event.get_json() == {"free": 7}
    assert not hasattr(event, "event_type")


@pytest.mark.parametrize(
    "content",
    [
        [{**EVENT, "data": {"validationCode": "abc", "validationUrl": "https://x"}}],
        {**CLOUD_EVENT, "data": {"validationCode": "abc"}},
        {**CLOUD_EVENT, "data": json.dumps({"validationCode": "abc"})},
    ],
)
async def test_the_subscription_handshake_does_not_reach_the_handler(
    plant: Plant, tmp_path: Path, content: object
) -> None:
    async with hosted(plant.app, tmp_path, check_keys=False) as host:
        reply = await deliver(host, content, "SubscriptionValidation")
    assert (reply.status, json.loads(reply.body)) == (200, {"validationResponse": "abc"})
    assert plant.seen == []


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("eventgrid.azure.net", "eventgrid.azure.net"),
        ("eventgrid.azure.us", "eventgrid.azure.us"),
        ("evil.example", "eventgrid.azure.net"),
        (None, "eventgrid.azure.net"),
    ],
)
async def test_the_cloud_events_handshake(plant: Plant, tmp_path: Path, origin: str | None, allowed: str) -> None:
    headers = [("WebHook-Request-Origin", origin)] if origin else []
    async with hosted(plant.app, tmp_path, check_keys=False) as host:
        reply = await ask(host, HOOK, "OPTIONS", headers)
    assert (reply.status, reply.values("Webhook-Allowed-Origin")) == (200, [allowed])


@pytest.mark.parametrize(
    ("target", "kind", "status"),
    [
        (HOOK, "Unsubscribe", 202),
        (HOOK, "Whatever", 400),
        (HOOK, "", 400),
        (HOOK, "notification", 202),
        (HOOK.replace("eventgrid", "EventGrid"), "Notification", 202),
        (HOOK.replace("on_event", "On_Event"), "Notification", 404),
        (HOOK.replace("on_event", "web"), "Notification", 404),
        ("/runtime/webhooks/eventgrid", "Notification", 404),
        ("/runtime/webhooks/durabletask", "Notification", 404),
    ],
)
async def test_names_and_kinds(plant: Plant, tmp_path: Path, target: str, kind: str, status: int) -> None:
    async with hosted(plant.app, tmp_path, check_keys=False) as host:
        assert (await deliver(host, [EVENT], kind, target)).status == status


@pytest.mark.parametrize("content", ["nonsense", [1], None])
async def test_what_cannot_be_read_is_a_500_and_a_line_in_the_log(
    plant: Plant, tmp_path: Path, content: object, caplog: pytest.LogCaptureFixture
) -> None:
    async with hosted(plant.app, tmp_path, check_keys=False) as host:
        assert (await deliver(host, content)).status == 500
    assert "a delivery to on_event cannot be read" in caplog.text
    assert plant.seen == []


@pytest.mark.parametrize(
    ("key", "status"), [("events", 202), ("master", 202), ("all", 401), ("wrong", 401), (None, 401)]
)
async def test_it_takes_the_system_key_of_the_extension(
    plant: Plant, tmp_path: Path, key: str | None, status: int
) -> None:
    keys = {
        "host.systemKey.eventgrid_extension": "events",
        "host.systemKey.other_extension": "wrong",
        "host.master": "master",
        "host.function.default": "all",
    }
    async with hosted(plant.app, tmp_path, keys) as host:
        reply = await deliver(host, [EVENT], target=HOOK if key is None else f"{HOOK}&code={key}")
    assert reply.status == status
    assert bool(plant.seen) is (status == 202)


async def test_an_app_without_such_functions_has_no_webhook(tmp_path: Path) -> None:
    async with hosted(open_app(), tmp_path, check_keys=False) as host:
        assert (await deliver(host, [EVENT])).status == 404


async def test_a_function_may_take_the_event_as_text(tmp_path: Path) -> None:
    app, seen = open_app(), []

    @app.event_grid_trigger("event")
    async def on_event(event: str) -> None:
        seen.append(json.loads(event))

    async with hosted(app, tmp_path, check_keys=False) as host:
        assert (await deliver(host, [EVENT])).status == 202
    assert seen == [EVENT]
