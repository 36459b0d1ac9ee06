"""Every route for every caller: nobody, people by token and by session, a sink, and what is good no more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from hub.configure import copy
from hub.people.roles import ROUTES, Access
from tests.functions.browsers import FIRST_PASSWORD, Browser, invited
from tests.functions.shell import Reply, Shell

TOKENS = (
    "nobody",
    "viewer",
    "admin",
    "sink",
    "expired",
    "revoked",
    "invented",
    "removed sink",
    "token of the disabled",
)
SESSIONS = (
    "viewer session",
    "admin session",
    "session with a first password",
    "ended session",
    "disabled session",
    "session of before the role",
    "expired session",
    "invented session",
)
KNOWN = {
    "viewer": {Access.SIGNED_IN, Access.VIEWER},
    "admin": {Access.SIGNED_IN, Access.VIEWER, Access.ADMIN},
    "sink": {Access.SINK},
    "session with a first password": {Access.SIGNED_IN},
}
KNOWN |= {f"{role} session": KNOWN[role] for role in ("viewer", "admin")}
"""Who is let in, and to what. The others are nobody."""
UNHEEDING = {
    "POST /hooks/{key}", "PUT /hooks/{key}", "GET /hooks/status/{id}", "POST /agent/enroll", "GET /",
    "GET /api/health/live", "GET /agent/install.sh", "GET /agent/install.ps1", "GET /agent/package/{version}",
}  # fmt: skip
"""They do not look at the Authorization header at all."""
OWN_REFUSALS = {"POST /agent/enroll", "POST /api/session", "POST /api/session/invitation"}
"""Open to anybody, and they ask for something in their body."""
DOES_NOT_EXIST = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
FORGED = {
    "x-ms-client-principal": "eyJhdXRoX3R5cCI6ImFhZCIsImNsYWltcyI6W3sidHlwIjoicm9sZXMiLCJ2YWwiOiJBRE1JTiJ9XX0=",
    "x-ms-client-principal-id": "first-admin",
    "x-ms-client-principal-name": "first-admin",
    "x-ms-client-principal-idp": "aad",
    "x-ms-token-aad-id-token": "e30.e30.e30",
}


@dataclass(frozen=True)
class Cast:
    """Everybody's credentials, as headers."""

    headers: Mapping[str, Mapping[str, str]]


@pytest.fixture
async def cast(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Cast:
    monkeypatch.setattr(copy, "NEWS_SECONDS", 0)  # an unknown token is looked up anew: here without a pause
    await shell.configure()
    headers: dict[str, Mapping[str, str]] = {"nobody": {}, "invented": _bearer("nxt_" + "x" * 43)}
    for name, role in (("viewer", "VIEWER"), ("admin", "ADMIN"), ("expired", "ADMIN"), ("revoked", "ADMIN")):
        body: dict[str, Any] = {"name": name, "role": role}
        if name == "expired":
            body["expires_at"] = (shell.clock.now() + timedelta(seconds=60)).isoformat()
        headers[name] = _bearer((await shell.ok("POST", "/api/tokens", body))["token"])
    await shell.ok("DELETE", "/api/tokens/revoked")
    headers["sink"] = _bearer(await shell.enrol("box"))
    headers["removed sink"] = _bearer(await shell.enrol("gone"))
    await shell.ok("DELETE", "/api/sinks/gone")
    headers["expired session"] = _cookie(await invited(shell, "slow", "ADMIN"))
    shell.clock.seconds += 12 * 3600 + 1
    headers |= await _sessions(shell)
    return Cast(headers)


async def _sessions(shell: Shell) -> dict[str, Mapping[str, str]]:
    viewer, admin = await invited(shell, "vera"), await invited(shell, "ada", "ADMIN")
    ended, disabled = await invited(shell, "ed", "ADMIN"), await invited(shell, "dora", "ADMIN")
    token = (await disabled("POST", "/api/tokens", {"name": "dora-ci", "role": "ADMIN"})).json["token"]
    demoted = await invited(shell, "mo", "ADMIN")
    invented = await invited(shell, "ivy", "ADMIN")
    headers = {
        "viewer session": _cookie(viewer),
        "admin session": _cookie(admin),
        "ended session": _cookie(ended),
        "disabled session": _cookie(disabled),
        "session of before the role": _cookie(demoted),
        "token of the disabled": _bearer(token),
    }
    assert (await ended("DELETE", "/api/session")).status == 204
    await shell.ok("PATCH", "/api/users/dora", {"disabled": True})
    await shell.ok("PATCH", "/api/users/mo", {"role": "VIEWER"})
    invented.cookies["__Host-nexomatic-session"] = invented.session[:-4] + "AAAA"
    headers["invented session"] = _cookie(invented)
    await shell.ok("POST", "/api/users", {"name": "newby", "role": "ADMIN", "password": FIRST_PASSWORD})
    newcomer = Browser(shell)
    assert (await newcomer.sign_in("newby", FIRST_PASSWORD)).status == 200
    return {**headers, "session with a first password": _cookie(newcomer)}


def _bearer(token: str) -> Mapping[str, str]:
    return {"authorization": f"Bearer {token}"}


def _cookie(browser: Browser) -> Mapping[str, str]:
    assert browser.csrf_token is not None
    session = f"__Host-nexomatic-session={browser.session}"
    return {"cookie": session, "x-csrf-token": browser.csrf_token, "origin": browser.origin}


async def ask(shell: Shell, route: str, headers: Mapping[str, str]) -> Reply:
    method, _, template = route.partition(" ")
    content = b"{}" if method in ("POST", "PUT", "PATCH") else b""
    sent = {"content-length": str(len(content)), "content-type": "application/json", **headers}
    return await shell.send(method, re.sub(r"\{\w+\}", DOES_NOT_EXIST, template), sent, content)


@pytest.mark.parametrize("caller", [*TOKENS, *SESSIONS])
async def test_every_route(shell: Shell, cast: Cast, caller: str) -> None:
    for route in sorted(ROUTES, key="DELETE /api/session".__eq__):  # which ends the session itself
        access = ROUTES[route]
        reply = await ask(shell, route, cast.headers[caller])
        shown = f"{caller} {route}: {reply.status} {reply.body[:200]!r}"
        open_to_all = access is Access.ANYBODY and (caller in KNOWN or caller == "nobody" or caller in SESSIONS)
        if open_to_all or route in UNHEEDING or access in KNOWN.get(caller, ()):
            assert reply.status not in (401, 403) or route in OWN_REFUSALS, shown
        elif caller in KNOWN and not (access is Access.SINK and "session" in caller):  # agents' routes know no cookie
            assert reply.problem(403)["type"].endswith(":not-allowed"), shown
        else:
            assert reply.problem(401)["type"].endswith(":not-authenticated"), shown
            assert reply.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("caller", ["nobody", "viewer", "viewer session"])
async def test_headers_that_a_platform_would_set_are_never_read(shell: Shell, cast: Cast, caller: str) -> None:
    """Whoever reaches the hub can send them."""
    for route, access in ROUTES.items():
        if access is not Access.ANYBODY and access not in KNOWN.get(caller, ()):
            plain = await ask(shell, route, cast.headers[caller])
            forged = await ask(shell, route, {**cast.headers[caller], **FORGED})
            assert (forged.status, forged.body) == (plain.status, plain.body), route
            assert forged.status in (401, 403), route


async def test_a_session_changes_nothing_unless_a_page_of_the_hub_meant_it(shell: Shell, cast: Cast) -> None:
    complete = cast.headers["admin session"]
    other = cast.headers["viewer session"]["x-csrf-token"]
    for route, access in ROUTES.items():
        if access in (Access.ANYBODY, Access.SINK) or route.startswith("GET "):
            continue
        for name, value in (
            ("origin", None),
            ("origin", "https://evil.example.com"),
            ("origin", "null"),
            ("x-csrf-token", None),
            ("x-csrf-token", other),
            ("x-csrf-token", "é" * 43),
        ):
            headers = {**complete, name: value} if value else {k: v for k, v in complete.items() if k != name}
            said = (await ask(shell, route, headers)).problem(403)["detail"]
            assert ("page of this hub" if name == "origin" else "X-CSRF-Token") in said, (route, name, value)


async def test_a_bearer_is_judged_without_its_cookies(shell: Shell, cast: Cast) -> None:
    both = {**cast.headers["admin session"], **cast.headers["viewer"]}
    assert (await ask(shell, "GET /api/users", both)).status == 403
    both = {**cast.headers["viewer session"], **cast.headers["admin"], "origin": "https://evil.example.com"}
    assert (await ask(shell, "POST /api/reconcile", both)).status == 200
    both = {**cast.headers["admin session"], **cast.headers["revoked"]}
    assert (await ask(shell, "GET /api/me", both)).status == 401


async def test_a_refused_write_changes_nothing(shell: Shell, cast: Cast) -> None:
    before = await shell.ok("GET", "/api/configuration")
    for caller in ("viewer", "viewer session", "sink", "nobody"):
        for method in ("PUT", "PATCH", "DELETE"):
            url = "/api/event-types/GO"
            await shell.send(method, url, {**cast.headers[caller], "if-match": "*"}, b'{"enabled": false}')
    assert await shell.ok("GET", "/api/configuration") == before


async def test_a_viewer_reads_no_webhook_address(shell: Shell, cast: Cast) -> None:
    for url in ("/api/sources/hook", "/api/sources", "/api/configuration"):
        for caller in ("viewer", "viewer session"):
            reply = await shell.send("GET", url, cast.headers[caller], b"")
            assert reply.status == 200
            assert b"/hooks/" not in reply.body
    reply = await shell.send("GET", "/api/sources/hook", cast.headers["viewer session"], b"")
    assert reply.json["url"] is None


async def test_me_says_who(shell: Shell, cast: Cast) -> None:
    async def me(caller: str) -> Any:
        found = (await shell.send("GET", "/api/me", cast.headers[caller], b"")).json
        return {name: found[name] for name in ("name", "role", "via", "token")}

    assert await me("viewer") == {"name": "viewer", "role": "VIEWER", "via": "token", "token": "viewer"}
    assert await me("viewer session") == {"name": "vera", "role": "VIEWER", "via": "session", "token": None}
    assert (await shell.ok("GET", "/api/me"))["name"] == "first-admin"
