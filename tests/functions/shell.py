"""The hub's functions as the host calls them: found by the host's routing rules, given the worker's request objects."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

import azure.functions as func
from argon2 import Parameters, Type
from argon2.low_level import ARGON2_VERSION
from azure.functions.http import HttpRequest

import function_app
from hosting.indexing import IndexedFunction, index
from hosting.routes import RouteTable, build_routes
from hub import process
from hub.clock import Clock
from hub.evaluation import InlineEvaluator
from hub.life.news import Traces
from hub.life.terms import Terms
from hub.model.secret import Keeper
from hub.options import Options
from hub.rules.cadence import Fleet
from hub.secrets.port import Values
from hub.signing import RootKey
from hub.storage.embedded import open_embedded
from hub.wiring import Hub, build
from tests.unit.configuring import StepClock

FIRST_ADMIN = "nxt_the-first-admin-of-the-tests"
PUBLIC_URL = "https://hub.example.com"
SINK_TYPE = "PYTHON:BASE"
CHEAP = Parameters(Type.ID, ARGON2_VERSION, 16, 32, 1, 8, 1)
"""How passwords are hashed here: as in production, but for the time and memory it takes."""
POLL = {"slots": 4, "version": "1", "instance": "instance-1"}
PATIENT_POLLS = 20
MakeVault: TypeAlias = Callable[[Clock], Mapping[Keeper, Values]]
_SPREAD = 0x9E3779B97F4A7C15F39CC0605CEDC834_1
"""Makes numbers that count up differ in all their bits."""


@cache
def indexed() -> tuple[IndexedFunction, ...]:
    """All functions. The app can be asked for them once in a process."""
    return index(function_app.app)


@cache
def routes() -> RouteTable:
    """The routes in the order in which the host tries them."""
    return build_routes(indexed(), "")


@dataclass(frozen=True)
class Reply:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cookies: tuple[str, ...] = ()
    """Each `Set-Cookie`."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def problem(self, status: int) -> dict[str, Any]:
        """The problem document of this status, which is whole."""
        assert self.status == status, self.body
        assert self.headers["content-type"] == "application/problem+json"
        document: dict[str, Any] = self.json
        assert document["status"] == status
        assert document["type"].startswith("urn:nexomatic:problem:")
        assert document["title"]
        assert document["detail"]
        return document

    def errors(self, status: int = 400) -> dict[str, str]:
        """The fields that were refused, with their words."""
        return {each["field"]: each["message"] for each in self.problem(status)["errors"]}


@dataclass(frozen=True)
class Shell:
    """One hub behind its functions."""

    hub: Hub
    clock: StepClock
    token: str = FIRST_ADMIN
    names: list[str] = field(default_factory=list)
    """Which functions were called."""

    async def __call__(
        self,
        method: str,
        url: str,
        body: Any = None,
        *,
        data: bytes | None = None,
        token: str | None = "",
        **headers: str,
    ) -> Reply:
        """Ask. `body` is sent as JSON, `data` as it is; `token` None is nobody; `if_match` becomes `if-match`."""
        content = data if data is not None else b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"host": "attacker.example.com", "content-length": str(len(content)), **named}
        if body is not None:
            sent.setdefault("content-type", "application/json")
        bearer = self.token if token == "" else token
        if bearer is not None:
            sent["authorization"] = f"Bearer {bearer}"
        return await self.send(method, url, sent, content)

    async def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> Reply:
        """Ask with exactly these headers."""
        parts = urlsplit(url)
        found = routes().match(method, unquote(parts.path.replace("%2F", "%252F").replace("%2f", "%252f")))
        if found is None:
            return Reply(404, {}, b"")  # the host's own answer
        route, values = found
        self.names.append(route.function.name)
        request = HttpRequest(
            method=method,
            url=f"http://{headers.get('host', 'hub')}{url}",
            headers=headers,
            params={name: value for name, value in parse_qsl(parts.query) if value},
            route_params=values,
            body_type="bytes",
            body=content,
        )
        answer: func.HttpResponse = await route.function.call(request)
        answered = {name.lower(): value for name, value in answer.headers.items()}
        answered.setdefault("content-type", answer.mimetype)
        cookies = tuple(answer.headers.get_all("set-cookie"))
        return Reply(answer.status_code, answered, answer.get_body() or b"", cookies)

    async def ok(self, method: str, url: str, body: Any = None, **options: Any) -> Any:
        """The document of an answer that has to be a success."""
        reply = await self(method, url, body, **options)
        assert 200 <= reply.status < 300, reply.body
        return reply.json if reply.body else None

    async def configure(self, source: Mapping[str, Any] | None = None, **event_type: Any) -> str:
        """A pool, an action, an event type GO, a webhook `hook`: where the webhook is."""
        await self.ok(
            "PUT",
            "/api/configuration",
            {
                "sink_types": [{"name": SINK_TYPE}],
                "actions": [{"name": "go", "runtime": "python", "module": "m:f"}],
                "event_types": [{"name": "GO", "sink_type": SINK_TYPE, "action": "go", **event_type}],
                "sources": [{"name": "hook", "kind": "WEBHOOK", "event_types": ["GO"], **(source or {})}],
            },
        )
        url: str = (await self.ok("GET", "/api/sources/hook"))["url"]
        return url.removeprefix(PUBLIC_URL)

    async def enrol(self, name: str = "box", **more: Any) -> str:
        """A sink of the pool; its credential."""
        made = await self.ok("POST", "/api/enrolments", {"sink_type": SINK_TYPE})
        body = {"token": made["token"], "name": name, "version": "1", **more}
        credential: str = (await self.ok("POST", "/agent/enroll", body, token=None))["credential"]
        return credential

    async def fire(self, payload: Any = None) -> str:
        """An event of GO; its id."""
        event_id: str = (await self.ok("POST", "/api/events", {"event_type": "GO", "payload": payload}))["id"]
        return event_id

    async def claim(self, credential: str) -> Any:
        """The one task that waits for this sink."""
        (task,) = await self.claims(credential)
        return task

    async def claims(self, credential: str, **said: Any) -> Any:
        """The tasks that wait for this sink."""
        return (await self.polled(credential, **said))["tasks"]

    async def polled(self, credential: str, **said: Any) -> Any:
        """The answer to a poll that hears of something. On a busy machine one may end before anybody has looked."""
        for _ in range(PATIENT_POLLS):
            answer = await self.ok("POST", "/agent/poll", {**POLL, **said}, token=credential)
            if answer is not None:
                return answer
        raise AssertionError("no task came")


@asynccontextmanager
async def opened_shell(
    vault: MakeVault | None = None, traces: Callable[[Clock], Traces] | None = None, **options: Any
) -> AsyncIterator[Shell]:
    """A hub, in memory unless `storage` is given, found by the functions as theirs.

    `first`: the first of the numbers it draws; other `options` as in `hub.options.Options`.
    """
    clock = StepClock()
    storage = options.pop("storage", None) or open_embedded(None, clock)
    numbers = itertools.count(options.pop("first", 1))
    terms = options.pop("terms", Terms())
    wired = Options(
        root_key=RootKey(bytes(32)),
        terms=terms,
        fleet=Fleet(poll_seconds=0.05),
        public_url=options.pop("public_url", PUBLIC_URL),
        passwords=CHEAP,
        first_admin_token_sha256=hashlib.sha256(FIRST_ADMIN.encode()).hexdigest(),
        **options,
    )
    kept = vault(clock) if vault is not None else None
    made = traces(clock) if traces is not None else None
    hub = build(wired, storage, clock, InlineEvaluator(), lambda: next(numbers) * _SPREAD, vault=kept, traces=made)

    async def opened() -> Hub:
        await storage.prepare()
        return hub

    process._hubs.keep(asyncio.create_task(opened()))
    await process.hub()
    yield Shell(hub, clock)
    await storage.close()
