"""The admin endpoints: status, ping, the list of functions, and running one by hand."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from hosting.functions_host import Options
from hosting.hostjson import HostJson
from tests.hosting.support import PLAIN, ask, hosted, open_app

MASTER = {"host.master": "master", "Store": "UseDevelopmentStorage=true"}
KEY = [("x-functions-key", "master")]


class Everything:
    """An app with one function of each kind, and what they were given."""

    def __init__(self) -> None:
        self.app = open_app()
        self.seen: asyncio.Queue[Any] = asyncio.Queue()

        @self.app.route("web/{id}", methods=["GET"])
        async def web(req: func.HttpRequest) -> func.HttpResponse:
            raise NotImplementedError

        @self.app.route("administrators")
        async def refused(req: func.HttpRequest) -> func.HttpResponse:
            raise NotImplementedError

        @self.app.timer_trigger("t", "0 0 0 1 1 *")
        async def tick(t: func.TimerRequest) -> None:
            self.seen.put_nowait(t)

        @self.app.queue_trigger("message", "work", "Store")
        async def on_message(message: func.QueueMessage) -> None:
            self.seen.put_nowait(message)

        @self.app.event_grid_trigger("event")
        async def on_event(event: func.EventGridEvent) -> None:
            self.seen.put_nowait(event)


async def test_the_ping_needs_no_key(tmp_path: Path) -> None:
    async with hosted(open_app(), tmp_path, MASTER) as host:
        for method in ("GET", "POST"):
            reply = await ask(host, "/admin/host/ping", method)
            assert (reply.status, reply.body) == (200, b"")


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/admin/host/status"),
        ("GET", "/admin/functions"),
        ("GET", "/admin/functions/tick"),
        ("GET", "/ADMIN/functions/tick/status"),
        ("POST", "/admin/functions/tick"),
    ],
)
async def test_everything_else_needs_the_master_key(tmp_path: Path, method: str, target: str) -> None:
    everything = Everything()
    async with hosted(everything.app, tmp_path, MASTER) as host:
        assert (await ask(host, target, method, body=b"{}")).status == 401
        assert (await ask(host, f"{target}?code=master", method, body=b"{}")).status in (200, 202)


async def test_the_status_says_what_runs_and_what_is_in_error(tmp_path: Path) -> None:
    async with hosted(Everything().app, tmp_path, MASTER) as host:
        status = json.loads((await ask(host, "/admin/host/status", headers=KEY)).body)
        errors = json.loads((await ask(host, "/admin/functions/refused/status", headers=KEY)).body)
        fine = json.loads((await ask(host, "/admin/functions/TICK/status", headers=KEY)).body)
    assert status["state"] == "Running"
    assert isinstance(status["processUptime"], int)
    assert "extensionBundle" not in status
    reason = "the route `administrators` conflicts with the built-in routes"
    assert reason in status["errors"][0]
    assert reason in errors["errors"][0]
    assert fine == {}


async def test_functions_are_listed_with_their_bindings(tmp_path: Path) -> None:
    async with hosted(Everything().app, tmp_path, {**MASTER, "AzureWebJobs.tick.Disabled": "1"}) as host:
        listed = json.loads((await ask(host, "/admin/functions", headers=KEY)).body)
        one = json.loads((await ask(host, "/admin/functions/Tick", headers=KEY)).body)
    assert [each["name"] for each in listed] == ["on_event", "on_message", "refused", "tick", "web"]
    assert one["isDisabled"] is True
    assert one["config"]["bindings"][0]["schedule"] == "0 0 0 1 1 *"
    assert one["href"].endswith("/admin/functions/tick")


@pytest.mark.parametrize(
    ("name", "given", "seen"),
    [
        ("tick", "", lambda each: each.past_due is False),
        ("on_message", "hello", lambda each: each.get_body() == b"hello"),
        ("on_event", json.dumps({"id": "7", "data": {}}), lambda each: each.id == "7"),
    ],
)
async def test_a_function_run_by_hand_is_202_at_once_and_runs_in_the_background(
    tmp_path: Path, name: str, given: str, seen: Any
) -> None:
    everything = Everything()
    async with hosted(everything.app, tmp_path, MASTER) as host:
        body = json.dumps({"input": given}).encode()
        reply = await ask(host, f"/admin/functions/{name}", "POST", KEY, body)
        assert (reply.status, reply.body) == (202, b"")
        async with asyncio.timeout(30):
            assert seen(await everything.seen.get())


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("tick", b"", 400),
        ("tick", b"nonsense", 400),
        ("tick", b"7", 400),
        ("nobody", b"{}", 404),
        ("nobody", b"", 400),
        ("web", b"{}", 400),
        ("on_event", b'{"input": "no event"}', 400),
    ],
)
async def test_what_cannot_be_run_by_hand(tmp_path: Path, name: str, body: bytes, status: int) -> None:
    everything = Everything()
    async with hosted(everything.app, tmp_path, MASTER) as host:
        assert (await ask(host, f"/admin/functions/{name}", "POST", KEY, body)).status == status
    assert everything.seen.empty()


async def test_a_manual_run_may_overlap_a_scheduled_one(tmp_path: Path) -> None:
    app = open_app()
    both, running = asyncio.Event(), []

    @app.timer_trigger("t", "0 0 0 1 1 *", run_on_startup=True)
    async def tick(t: func.TimerRequest) -> None:
        running.append(t)
        if len(running) == 2:
            both.set()
        await both.wait()

    async with hosted(app, tmp_path, MASTER) as host:
        assert (await ask(host, "/admin/functions/tick", "POST", KEY, b"{}")).status == 202
        async with asyncio.timeout(30):
            await both.wait()


async def test_an_unknown_admin_address_is_404_or_whatever_the_app_has_there(tmp_path: Path) -> None:
    app = open_app()

    @app.route("{*any}")
    async def anything(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("the app")

    async with hosted(open_app(), tmp_path, MASTER) as host:
        assert (await ask(host, "/admin/nothing")).status == 404
    async with hosted(app, tmp_path, MASTER) as host:
        assert (await ask(host, "/admin/nothing")).text == "the app"
        assert (await ask(host, "/administrators")).text == "the app"


def test_the_defaults_are_those_of_the_plan_that_is_deployed(tmp_path: Path) -> None:
    assert HostJson().function_timeout == 1800
    assert PLAIN.http.route_prefix == ""
    options = Options(home=tmp_path)
    assert (options.http_seconds, options.exposure.bind, options.check_keys) == (230, "127.0.0.1", True)
