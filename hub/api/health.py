"""`/api/health`, open to all, which says no more than up or why not; `/api/reconcile`; the OpenAPI document."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from hub.api.security import Desk, GuardedRoute, caller_of
from hub.api.views import Alive, Health, HealthReason, Reconciled
from hub.audit.attempt import intend
from hub.model.health import WORDS
from hub.people.identity import Person
from hub.upkeep.health import not_ready
from hub.version import VERSION

router = APIRouter(route_class=GuardedRoute, tags=["health"])


@router.get("/api/health")
async def health(desk: Desk, request: Request) -> Health:
    """Readiness: 200 while the hub works, with reasons if it does not work as it should; 503 with reasons if it cannot.

    As this process found things at most 5 s ago. The version is for who is signed in.
    """
    report = await desk.health.report()
    if not report.ready:
        raise not_ready(report.reasons)
    known = isinstance(caller_of(request), Person)
    return Health(
        status="degraded" if report.reasons else "up",
        reasons=[HealthReason(code=each, words=WORDS[each]) for each in report.reasons],
        version=VERSION if known else None,
        heartbeat_age_seconds=report.heartbeat_age if known else None,
    )


@router.get("/api/health/live")
async def live() -> Alive:
    """Liveness: 200 while the process answers at all. Asks nothing else, so that a restart is not tried in vain."""
    return Alive(status="up")


@router.post("/api/reconcile")
async def reconcile(desk: Desk) -> Reconciled:
    """Do one step of what the timer does each minute, now: pay what ended events owe, end what is overdue or lost.

    A step is bounded; while it touches events, another may find more.
    """
    await intend()
    return Reconciled(touched=await desk.reconcile())


@router.get("/api/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> dict[str, Any]:
    """This API, for programs."""
    document: dict[str, Any] = await asyncio.to_thread(request.app.openapi)  # made once, and that takes a while
    return document
