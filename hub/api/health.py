"""`/api/health`, open to all, which says no more than up or why not; `/api/reconcile`; the OpenAPI document."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from hub.api.security import Desk, GuardedRoute
from hub.api.views import Health, Reconciled
from hub.audit.attempt import intend

router = APIRouter(route_class=GuardedRoute, tags=["health"])


@router.get("/api/health")
async def health(desk: Desk) -> Health:
    """200 while the hub works, with a reason if it does not work as it should; 503 while storage does not answer."""
    await desk.configuration.current()
    reason = desk.why_not_up()
    return Health(status="degraded" if reason else "up", reason=reason)


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
