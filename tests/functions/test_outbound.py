"""No request steers a call of the hub: whatever addresses stand in it, nobody is called but whom the settings name."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hub.people.roles import ROUTES
from hub.rules.oidc import Provider
from tests.functions.shell import POLL, Shell, opened_shell
from tests.fuzz.drawing import requests_of
from tests.fuzz.nonsense import Draw
from tests.fuzz.test_fuzz import knows, send

_WATCHED = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen", "os.system", "os.exec")
_calls: list[str] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _calls is not None and event in _WATCHED:
        where = arguments[1] if event == "socket.connect" else arguments
        _calls.append(f"{event} {where}")


sys.addaudithook(_watch)  # it stays for the life of the process, and does nothing unless a test listens


@pytest.fixture
def calls() -> Iterator[list[str]]:
    """Every connection, look-up and process that this process begins meanwhile."""
    global _calls
    _calls = []
    yield _calls
    _calls = None


@pytest.fixture
async def trap() -> AsyncIterator[str]:
    """Somebody who would be glad to be called; the address."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="{}")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    server = TestServer(app)
    await server.start_server()
    yield str(server.make_url("/")).rstrip("/")
    await server.close()


def with_addresses(trap: str) -> dict[str, str]:
    """Headers that tell a careless program where it is, or whom to ask."""
    host = trap.partition("://")[2]
    return {
        "host": host, "origin": trap, "referer": f"{trap}/x", "forwarded": f"host={host};proto=http",
        "x-forwarded-host": host, "x-forwarded-proto": "http", "x-original-url": f"{trap}/x",
        "x-rewrite-url": f"{trap}/x",
        "link": f"<{trap}/x>; rel=next", "webhook-request-callback": f"{trap}/x", "webhook-request-origin": host,
        "aeg-subscription-name": trap, "destination": trap, "ce-source": trap, "ce-dataschema": trap,
        "traceparent": trap, "user-agent": trap, "from": trap,
    }  # fmt: skip


def documents(trap: str) -> list[Any]:
    """Bodies that ask to be followed."""
    subscription = {
        "Type": "SubscriptionConfirmation",
        "SubscribeURL": f"{trap}/sns",
        "SigningCertURL": f"{trap}/c.pem",
    }
    grid = [{"id": "1", "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "subject": "", "topic": trap,
             "data": {"validationCode": "x", "validationUrl": f"{trap}/validate"}, "eventTime": "2026-01-01T00:00:00Z",
             "dataVersion": "1"}]  # fmt: skip
    anything = {"$ref": f"{trap}/schema", "url": trap, "@context": trap, "callback": trap, "jku": trap, "issuer": trap,
                "module": trap, "value": trap, "name": trap, "user": trap, "password": trap, "token": trap}  # fmt: skip
    return [subscription, grid, anything, {"type": "url_verification", "challenge": trap}]


async def test_the_watch_sees_a_call(calls: list[str], trap: str) -> None:
    """Otherwise silence would say nothing."""
    from hub.people.oidc_http import ProviderHttp

    await ProviderHttp().get(trap, {})
    assert any("socket.connect" in each for each in calls)


async def test_no_route_calls_anybody(calls: list[str], trap: str) -> None:
    async with opened_shell() as shell:
        path = await shell.configure({"dedupe": {"path": "body.id"}})
        credential = await shell.enrol()
        for token in (shell.token, credential, None):
            for route in (*ROUTES, f"POST {path}", f"PUT {path}"):
                method, _, template = route.partition(" ")
                address = re.sub(r"\{\w+\}", "01ARZ3NDEKTSV4RRFFQ69G5FAV", template)
                for body in documents(trap) if method in ("POST", "PUT", "PATCH") else (None,):
                    await asked(shell, method, f"{address}?next={trap}&url={trap}", body, token, trap)
    assert calls == []


async def asked(shell: Shell, method: str, url: str, body: Any, token: str | None, trap: str) -> None:
    headers: dict[str, Any] = {name.replace("-", "_"): value for name, value in with_addresses(trap).items()}
    await shell(method, url, body, token=token, **headers)


async def test_nonsense_calls_nobody(calls: list[str]) -> None:
    async with opened_shell() as shell:
        known, draw = await knows(shell), Draw(3)
        for _ in range(300):
            await send(shell, requests_of(draw, known, lambda: int(shell.clock.now().timestamp())))
    assert calls == []


async def test_what_is_configured_names_modules_and_no_addresses(calls: list[str], trap: str) -> None:
    """An action, a schedule or an event with addresses in it is for sinks to read: the hub follows none."""
    async with opened_shell() as shell:
        await shell.configure()
        credential = await shell.enrol()
        await shell("PUT", "/api/actions/go", {"runtime": "shell", "module": trap}, if_match="*")
        await shell.fire({"url": trap, "callback": f"{trap}/done"})
        await shell("POST", "/agent/poll", {**POLL, "version": trap}, token=credential)
        await shell.hub.upkeep.tick()
    assert calls == []


async def test_sign_in_calls_its_provider_alone(calls: list[str], trap: str) -> None:
    """Whatever the callback says of issuers, states and places to go on to."""
    asked_at: list[str] = []

    async def configuration(request: web.Request) -> web.Response:
        asked_at.append(request.path)
        return web.json_response({"issuer": "nobody"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", configuration)
    provider = TestServer(app)
    await provider.start_server()
    try:
        issuer = str(provider.make_url("/")).rstrip("/")
        settings = Provider(
            issuer=issuer, client_id="id", client_secret="secret", admins=frozenset(), viewers=frozenset()
        )
        async with opened_shell(provider=settings) as shell:
            headers: dict[str, Any] = {name.replace("-", "_"): value for name, value in with_addresses(trap).items()}
            for query in (f"?return_to={trap}", f"?return_to=/ui/{trap}", ""):
                await shell("GET", f"/api/session/oidc{query}", token=None, **headers)
            back = f"/api/session/oidc/callback?code={trap}&state={trap}&iss={trap}"
            await shell("GET", back, token=None, **headers)
        connected = {each for each in calls if each.startswith("socket.connect")}
        assert asked_at, "it asked its provider"
        assert connected == {f"socket.connect ('127.0.0.1', {provider.port})"}
    finally:
        await provider.close()
