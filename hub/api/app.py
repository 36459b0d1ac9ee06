"""The admin API: one FastAPI application. Only `functions/api.py` imports it, at the first call: it loads slowly."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from hub.api import (
    audit,
    docs,
    events,
    formats,
    health,
    metrics,
    modules,
    nexo,
    operations,
    people,
    receipts,
    resources,
    schedules,
    secrets,
    session,
    sinks,
    stats,
    users,
)
from hub.api.openapi import finished
from hub.api.services import Services
from hub.api.views import Problem
from hub.errors import NotFound
from hub.people.roles import methods_of
from hub.problems import CONTENT_TYPE

VERSION: Final = "1"
ROUTERS: Final = (
    events.router, operations.router, resources.router, modules.router, receipts.router, schedules.router,
    secrets.router, sinks.router, session.router, nexo.router, users.router, people.router, audit.router, stats.router,
    metrics.router, health.router, formats.router, docs.router,
)  # fmt: skip


class Api(FastAPI):
    """The application, with an OpenAPI document that says how to sign in."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = finished(super().openapi())
        return self.openapi_schema


def build_app(services: Services) -> Api:
    """The application over these use cases. What goes wrong is raised, for the shell around it to answer."""
    app = Api(
        title="Nexomatic",
        version=VERSION,
        openapi_url=None,  # a route of ours answers it, behind the same gate as the others
        docs_url=None,  # the page it would serve loads its code from other people's hosts
        redoc_url=None,
        redirect_slashes=False,  # a redirect would go to the host that the caller named
        exception_handlers={HTTPException: _refuse},
        responses={"default": {"description": "Every error", "model": Problem}},
    )
    app.state.services = services
    for router in ROUTERS:
        app.include_router(router)
    return app


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        raise NotFound(f"there is nothing at {request.url.path}")
    if error.status_code != 405:
        raise error
    allowed = ", ".join(methods_of(request.url.path))  # the framework would name those of one route alone
    problem = Problem(
        type="urn:nexomatic:problem:method-not-allowed",
        title="This address does not take that method",
        status=405,
        detail=f"{request.method} is not taken here; allowed: {allowed}",
    )
    return JSONResponse(
        problem.model_dump(exclude_defaults=True), 405, headers={"Allow": allowed}, media_type=CONTENT_TYPE
    )
