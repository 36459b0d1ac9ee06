"""Every route for every caller: nobody, a viewer, an admin, a sink, and tokens that are not good any more."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from hub.configure import copy
from hub.people.roles import ROUTES, Access
from tests.functions.shell import Reply, Shell

CALLERS = ("nobody", "viewer", "admin", "sink", "expired", "revoked", "invented", "removed sink")
ENOUGH = {
    Access.ANYBODY: {"nobody", "viewer", "admin", "sink"},
    Access.SINK: {"sink"},
    Access.VIEWER: {"viewer", "admin"},
    Access.ADMIN: {"admin"},
}
OPEN_TO_ANY_HEADER = {"POST /hooks/{key}", "PUT /hooks/{key}", "GET /hooks/status/{id}", "POST /agent/enroll", "GET /"}
"""They do not look at the Authorization header at all."""
DOES_NOT_EXIST = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@pytest.fixture
async def tokens(shell: Shell) -> dict[str, str | None]:
    await shell.configure()
    made: dict[str, str | None] = {"nobody": None, "invented": "nxt_" + "x" * 43}
    for name, role in (("viewer", "VIEWER"), ("admin", "ADMIN"), ("expired", "ADMIN"), ("revoked", "ADMIN")):
        body: dict[str, Any] = {"name": name, "role": role}
        if name == "expired":
            body["expires_at"] = (shell.clock.now() + timedelta(seconds=60)).isoformat()
        made[name] = (await shell.ok("POST", "/api/tokens", body))["token"]
    await shell.ok("DELETE", "/api/tokens/revoked")
    made["sink"] = await shell.enrol("box")
    made["removed sink"] = await shell.enrol("gone")
    await shell.ok("DELETE", "/api/sinks/gone")
    shell.clock.seconds += 61
    return made


async def ask(shell: Shell, route: str, token: str | None) -> Reply:
    method, _, template = route.partition(" ")
    body: dict[str, str] | None = {} if method in ("POST", "PUT", "PATCH") else None
    return await shell(method, re.sub(r"\{\w+\}", DOES_NOT_EXIST, template), body, token=token)


@pytest.mark.parametrize("caller", CALLERS)
async def test_every_route(
    shell: Shell, tokens: dict[str, str | None], caller: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy, "NEWS_SECONDS", 0)  # an unknown token is looked up anew: here without a pause
    for route, access in ROUTES.items():
        reply = await ask(shell, route, tokens[caller])
        shown = f"{caller} {route}: {reply.status} {reply.body[:200]!r}"
        if caller in ENOUGH[access] or route in OPEN_TO_ANY_HEADER:
            assert reply.status not in (401, 403) or route == "POST /agent/enroll", shown
        elif caller in ("viewer", "admin", "sink"):
            assert reply.problem(403)["type"].endswith(":not-allowed"), shown
        else:
            assert reply.problem(401)["type"].endswith(":not-authenticated"), shown
            assert reply.headers["www-authenticate"] == "Bearer"


async def test_a_refused_write_changes_nothing(shell: Shell, tokens: dict[str, str | None]) -> None:
    before = await shell.ok("GET", "/api/configuration")
    for caller in ("viewer", "sink", "nobody"):
        for method in ("PUT", "PATCH", "DELETE"):
            await shell(method, "/api/event-types/GO", {"enabled": False}, token=tokens[caller], if_match="*")
    assert await shell.ok("GET", "/api/configuration") == before


async def test_a_viewer_reads_no_webhook_address(shell: Shell, tokens: dict[str, str | None]) -> None:
    for url in ("/api/sources/hook", "/api/sources", "/api/configuration"):
        text = (await shell("GET", url, token=tokens["viewer"])).body.decode()
        assert "/hooks/" not in text
    assert (await shell.ok("GET", "/api/sources/hook", token=tokens["viewer"]))["url"] is None


async def test_me_says_who(shell: Shell, tokens: dict[str, str | None]) -> None:
    assert await shell.ok("GET", "/api/me", token=tokens["viewer"]) == {"name": "viewer", "role": "VIEWER"}
    assert await shell.ok("GET", "/api/me") == {"name": "first-admin", "role": "ADMIN"}


async def test_health_is_open_to_all(shell: Shell) -> None:
    assert await shell.ok("GET", "/api/health", token=None) == {"status": "up", "reason": None}
