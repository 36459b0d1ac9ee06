"""Every answer of every route says to a browser what it must not do with it, however it came about."""

from __future__ import annotations

import re
from typing import Any

import pytest

from functions import security_headers
from hub.people.roles import ROUTES
from tests.functions.shell import FIRST_ADMIN, Reply, Shell

SOMETHING = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
WANTED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


def is_safe(reply: Reply) -> None:
    """The headers are there, each once."""
    assert {name: reply.headers.get(name) for name in WANTED} == WANTED
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "access-control-allow-origin" not in reply.headers, "no other origin's page reads an answer"


@pytest.mark.parametrize("token", [None, FIRST_ADMIN, "nobody"])
async def test_of_every_route(shell: Shell, token: str | None) -> None:
    """Found or not, let in or not."""
    for route in ROUTES:
        method, _, template = route.partition(" ")
        reply = await shell(method, re.sub(r"\{\w+\}", SOMETHING, template), token=token)
        is_safe(reply)
        assert reply.headers["cache-control"] == ("no-cache" if route == "GET /" else "no-store"), route


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/nothing"), ("DELETE", "/api/health"), ("PUT", "/api/sink-types/A"), ("POST", "/hooks/none")],
)
async def test_of_refusals(shell: Shell, method: str, path: str) -> None:
    reply = await shell(method, path, data=b"{", token=FIRST_ADMIN)
    assert reply.status in (400, 404, 405)
    is_safe(reply)
    assert reply.headers["cache-control"] == "no-store"


async def test_of_a_bug(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(shell.hub.sources.webhooks, "receive", fail)
    reply = await shell("POST", "/hooks/any", {})
    reply.problem(500)
    is_safe(reply)


async def test_of_answers_that_succeed(shell: Shell) -> None:
    path = await shell.configure()
    accepted = await shell("POST", path, {}, token=None)
    assert accepted.status == 202
    is_safe(accepted)
    status = await shell("GET", accepted.json["status_url"].removeprefix("https://hub.example.com"), token=None)
    assert status.status == 200
    is_safe(status)


@pytest.mark.parametrize(
    ("public_url", "said"),
    [
        ("https://hub.example.com", "max-age=31536000"),
        (" HTTPS://hub.example.com", "max-age=31536000"),
        ("http://127.0.0.1:7071", None),
        (None, None),
    ],
)
async def test_https_stays_https(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, public_url: str | None, said: str | None
) -> None:
    monkeypatch.delenv("NEXOMATIC_PUBLIC_URL", raising=False)
    if public_url is not None:
        monkeypatch.setenv("NEXOMATIC_PUBLIC_URL", public_url)
    for method, path in (("GET", "/"), ("GET", "/api/health"), ("POST", "/hooks/none"), ("POST", "/agent/poll")):
        assert (await shell(method, path)).headers.get("strict-transport-security") == said


async def test_before_the_hub_is_open_too(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from hub import process
    from hub.per_loop import PerLoop

    monkeypatch.setattr(process, "_hubs", PerLoop())
    monkeypatch.setenv("NEXOMATIC_EVENT_SHARDS", "99")
    reply = await shell("GET", "/api/health")
    reply.problem(503)
    is_safe(reply)


def test_a_page_may_say_more_of_its_own_and_never_less() -> None:
    said: dict[str, Any] = {security_headers.CSP: "default-src 'self'", "x-frame-options": "ALLOWALL"}
    security_headers.secure(said, https=False)
    assert said[security_headers.CSP] == "default-src 'self'"
    assert said["x-frame-options"] == "DENY"
