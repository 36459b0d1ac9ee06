"""`/api/metrics`: what this process has counted, and what waits in the whole hub, as Prometheus reads it."""

from __future__ import annotations

from fastapi import APIRouter, Response

from hub.api.security import Desk, GuardedRoute
from hub.rules.exposition import CONTENT_TYPE, exposed

router = APIRouter(route_class=GuardedRoute, tags=["stats"])


@router.get(
    "/api/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus' text format, version 0.0.4",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
async def metrics(desk: Desk) -> Response:
    """For Prometheus: counters of the process that answers; what waits and who is there in the whole hub."""
    samples = await desk.metrics.gather()
    return Response(exposed(samples), headers={"content-type": CONTENT_TYPE})
