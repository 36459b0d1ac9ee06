"""The admin API: everything below /api, answered by one application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import azure.functions as func

from functions.endpoint import caller_address, document, endpoint
from hub import lasting
from hub.api.adapter import Answer, Request, call
from hub.api.services import Services
from hub.audit.attempt import Who
from hub.errors import NotAuthenticated, Unavailable
from hub.model.health import Reason
from hub.people.identity import Caller
from hub.people.roles import template_of
from hub.per_loop import PerLoop
from hub.process import hub
from hub.signing import Purpose
from hub.upkeep.health import LOOK_SECONDS, not_ready
from hub.wiring import Hub

if TYPE_CHECKING:
    from hub.api.app import Api

api_functions = func.Blueprint()

NO_ROUTE: Final = "(no such route)"
LIVE: Final = "/api/health/live"
READY: Final = "/api/health"

_apps: PerLoop[Api] = PerLoop()


@api_functions.route("api/{*route}", auth_level=func.AuthLevel.ANONYMOUS)
@endpoint
async def api(req: func.HttpRequest) -> func.HttpResponse:
    """Any method: the application says 405 where the host would say 404."""
    asked = (req.method, urlsplit(req.url).path)
    if asked == ("GET", LIVE):
        return document({"status": "up"})  # the process is alive, whatever becomes of its hub
    here = await (_ready() if asked == ("GET", READY) else hub())
    caller = await _caller(here, req)
    request = Request(req.method, req.url, req.headers, req.get_body())

    async def again() -> Caller:
        return await _caller(here, req)

    return _response(await call(await _app(here), request, caller, again))


async def _ready() -> Hub:
    """The hub, if it is ready. Raises `NotReady`, before storage would have to say who calls."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            here = await hub()
    except (TimeoutError, Unavailable):
        raise not_ready([Reason.NOT_STARTED]) from None
    report = await here.health.report()
    if not report.ready:
        raise not_ready(report.reasons)
    return here


async def _caller(here: Hub, req: func.HttpRequest) -> Caller:
    """Who calls. Who shows a credential that is not valid is refused wherever they knock, and recorded."""
    try:
        return await _proved(here, req)
    except NotAuthenticated as error:
        path = unquote(urlsplit(req.url).path)
        action = template_of(req.method, path) or f"{req.method} {NO_ROUTE}"
        who = Who(None, caller_address(here, req))
        await here.audit.trail.refused(who, action, path.removeprefix("/api/"), error)
        raise


async def _proved(here: Hub, req: func.HttpRequest) -> Caller:
    """By the token, if one came: cookies then count for nothing. No other header says who somebody is."""
    authorization = req.headers.get("authorization")
    if authorization is not None:
        return await here.people.identity.of(authorization)
    return await here.people.sessions.of(req.headers.get("cookie"))


async def _app(here: Hub) -> Api:
    """The application of this event loop, made at its first call.

    It takes most of a second to import, which webhooks and agents never pay for; in a thread, so that those who are
    being served meanwhile do not wait for it.
    """
    app = _apps.get()
    if app is None:
        build = await asyncio.to_thread(_builder)
        app = _apps.keep(build(services_of(here)))
        lasting.leave_out("the API")
    return app


def _builder() -> Callable[[Services], Api]:
    from hub.api.app import build_app

    return build_app


def services_of(here: Hub) -> Services:
    """What the application works with."""

    life = here.context
    return Services(
        life=life,
        creator=here.creator,
        canceller=here.canceller,
        reruns=here.reruns,
        explainer=here.explainer,
        depths=here.depths,
        logs=here.logs,
        listing=here.listing,
        operations=here.operations,
        watchers=here.watchers,
        idempotency=here.idempotency,
        configuration=here.configuration,
        formats=here.formats,
        resources=here.resources,
        bundles=here.bundles,
        secrets=here.secret_book,
        sinks=here.sinks,
        orders=here.orders,
        presence=here.presence,
        people=here.people,
        stats=here.stats,
        sources=here.sources,
        audit=here.audit,
        front_end=here.options.front_end,
        cursors=here.options.signer(Purpose.CURSOR),
        public_url=here.options.public_url,
        health=here.health,
        metrics=here.metrics,
        reconcile=here.upkeep.reconcile,
    )


def _response(answer: Answer) -> func.HttpResponse:
    headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
    response = func.HttpResponse(answer.body or None, status_code=answer.status, headers=headers)
    for cookie in answer.cookies:
        response.headers.add("set-cookie", cookie)
    return response
