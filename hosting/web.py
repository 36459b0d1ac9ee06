"""The front of the host: every request comes in here, and its answer goes out.

The order is the real host's: built-in addresses; the route (404); the key (401); disabled (404); then the function.
What it costs is paid by every request, so the plain way is short, and nothing is logged on it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import ClientError, HttpVersion11, web

from hosting.addresses import BadAddress, decode_path, parse_query
from hosting.admin import Admin, Call
from hosting.answers import Answer, BadAnswer, encode, plain_answer, to_response
from hosting.cors import add_headers, preflight
from hosting.eventgrid import EXTENSION, METHODS, SYSTEM_KEY, EventGrid
from hosting.exposure import Exposure
from hosting.invocations import Invocations
from hosting.keys import Keys, Level
from hosting.requests import (
    NOBODY,
    BadRequest,
    BodyTooLarge,
    BodyTooSlow,
    build_request,
    join_headers,
    peer_address,
    read_body,
    split_target,
)
from hosting.routes import Route, RouteTable
from hosting.settings import Cors
from hosting.throttle import Throttle, TooManyRequests

HOMEPAGE = "<!DOCTYPE html><title>Functions host</title><p>Your functions host is up and running."
_ADMIN, _RUNTIME, _WEBHOOKS = "/admin/", "/runtime/", "/runtime/webhooks/"

_logger = logging.getLogger("Host.Web")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may take. `seconds`: then the load balancer answers 502, while the function goes on."""

    body_bytes: int
    seconds: float = 230.0


@dataclass(slots=True)
class Front:
    """Answers requests."""

    routes: RouteTable
    keys: Keys
    invocations: Invocations
    event_grid: EventGrid
    admin: Admin
    limits: Limits
    throttle: Throttle
    cors: Cors
    exposure: Exposure
    has_homepage: bool = True
    stopping: bool = False

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The handler for aiohttp: it raises nothing."""
        try:
            answer = await self._answer(request)
        except (BadRequest, BadAddress):
            answer = plain_answer(400)
        except BodyTooLarge:
            answer = plain_answer(413)
        except BodyTooSlow:
            answer = plain_answer(408)
        except TooManyRequests:
            answer = plain_answer(429)
        except (ConnectionError, ClientError) as error:
            _logger.debug("a caller went away while sending: %r", error)
            answer = plain_answer(400)  # nobody is there to read it
        except Exception:
            _logger.exception("the host failed")
            answer = plain_answer(500)
        if self.cors.origins:
            add_headers(self.cors, request.headers, answer)
        return to_response(answer, request.version >= HttpVersion11)

    async def _answer(self, request: web.BaseRequest) -> Answer:
        if self.stopping:
            return plain_answer(503, "Function host is not running.")
        if self.exposure.proxies and not self.exposure.may_connect(peer_address(request) or NOBODY):
            return plain_answer(403)  # whoever comes past the proxy could say anything, and would be heard in clear
        raw_path, query = split_target(request.raw_path)
        path = decode_path(raw_path)
        if self.cors.origins and (allowed := preflight(self.cors, request.method, request.headers)):
            return allowed
        start = path[: len(_RUNTIME)].lower()
        if start.startswith(_ADMIN) or start == _RUNTIME:
            built_in = await self._built_in(request, path, query)
            if built_in is not None:
                return built_in
        found = self.routes.match(request.method, path)
        if found is None:
            return self._nothing_there(request.method, path)
        if self.throttle.is_on:
            async with self.throttle.place():
                return await self._call(request, *found, path, query)
        return await self._call(request, *found, path, query)

    @property
    def _scheme(self) -> str:
        return "https" if self.exposure.is_https else "http"

    def _nothing_there(self, method: str, path: str) -> Answer:
        if path != "/" or method != "GET":
            return plain_answer(404)
        return plain_answer(200, HOMEPAGE, "text/html; charset=utf-8") if self.has_homepage else plain_answer(204)

    # --- functions ---------------------------------------------------------------------------------------------------

    async def _call(
        self, request: web.BaseRequest, route: Route, values: dict[str, str], path: str, query: str
    ) -> Answer:
        headers, params = join_headers(request, self.exposure), parse_query(query) if query else {}
        if refusal := self._refusal(route, headers, params):
            return refusal
        body = await read_body(request, self.limits.body_bytes)
        req = build_request(request, self._scheme, path, query, headers, params, values, body)
        task = self.invocations.start(route.function, req)
        await asyncio.wait((task,), timeout=self.limits.seconds)
        if not task.done():
            _logger.warning(
                "%s takes longer than %g s: its caller gets a 502", route.function.name, self.limits.seconds
            )
            return plain_answer(502)
        if task.exception() is not None:
            return plain_answer(500)  # logged where it happened; the caller learns nothing
        try:
            return encode(task.result())
        except BadAnswer as error:
            _logger.error("%s: %s", route.function.name, error)
            return plain_answer(500)

    def _refusal(self, route: Route, headers: Mapping[str, str], params: Mapping[str, str]) -> Answer | None:
        if route.level is Level.ANONYMOUS and not route.function.disabled:
            return None
        level = self.keys.level(headers, params, function=route.function.name)
        if level < route.level:
            return plain_answer(401)
        return plain_answer(404) if route.function.disabled and level < Level.ADMIN else None

    # --- built in ----------------------------------------------------------------------------------------------------

    async def _built_in(self, request: web.BaseRequest, path: str, query: str) -> Answer | None:
        headers, params = join_headers(request, self.exposure), parse_query(query)
        if path.lower().startswith(_WEBHOOKS):
            return await self._webhook(request, path[len(_WEBHOOKS) :], headers, params)
        action = self.admin.find(request.method, path[len(_ADMIN) :]) if path[:7].lower() == _ADMIN else None
        if action is None:
            return None
        if not action.is_open and self.keys.level(headers, params) < Level.ADMIN:
            return plain_answer(401)
        body = await read_body(request, self.limits.body_bytes)
        return action.run(Call(body, f"{self._scheme}://{headers['host']}", time.monotonic()))

    async def _webhook(
        self, request: web.BaseRequest, path: str, headers: Mapping[str, str], params: Mapping[str, str]
    ) -> Answer | None:
        extension = path.partition("/")[0].lower()
        if extension != EXTENSION or not self.event_grid.has_functions or request.method not in METHODS:
            return None
        if self.keys.level(headers, params, system=SYSTEM_KEY) < Level.SYSTEM:
            return plain_answer(401)
        body = await read_body(request, self.limits.body_bytes)
        return await self.event_grid.answer(request.method, headers, params, body)
