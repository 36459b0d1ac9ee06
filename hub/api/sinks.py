"""`/api/sinks`: who is enrolled, who is there, and who has to go."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from fastapi import APIRouter, Request

from hub.api.cursors import Cursor, Limit, page, read
from hub.api.events import IdempotencyKey, promised_id
from hub.api.live import LIVE, UNCHANGED
from hub.api.security import Desk, GuardedRoute, caller_of
from hub.api.services import Services
from hub.api.views import AskCommand, CommandView, SinkList, SinkView
from hub.model.sink import Order, Presence, Sink
from hub.people.identity import actor_of
from hub.rules.commanding import state_of_order
from hub.rules.presence import state_of

LONG_GONE: Final = timedelta(days=30)
"""Not seen for so long, a sink is shown as one that somebody may want to remove."""

router = APIRouter(route_class=GuardedRoute, tags=["sinks"])


@router.get("/api/sinks", dependencies=[LIVE], responses=UNCHANGED)
async def list_sinks(desk: Desk, cursor: Cursor = None, limit: Limit = 100) -> SinkList:
    """Sinks by name."""
    found, following = page(desk.cursors, "sinks", await desk.sinks.list(), lambda each: each.name, cursor, limit)
    there = await desk.presence.between(read(desk.cursors, "sinks", cursor) or "", found[-1].name) if found else {}
    return SinkList(items=[_view(desk, sink, there.get(sink.name)) for sink in found], cursor=following)


@router.get("/api/sinks/{name}", dependencies=[LIVE], responses=UNCHANGED)
async def read_sink(desk: Desk, name: str) -> SinkView:
    """One sink."""
    sink = await desk.sinks.get(name)
    return _view(desk, sink, await desk.presence.get(sink.name))


@router.delete("/api/sinks/{name}", status_code=204)
async def delete_sink(desk: Desk, name: str) -> None:
    """Remove a sink and end its credential. What it runs goes to others when its leases are over."""
    sink = await desk.sinks.get(name)
    await desk.sinks.delete(name)
    await desk.presence.forget(sink.name)


@router.post("/api/sinks/{name}/commands", status_code=202)
async def command_sink(
    desk: Desk, request: Request, name: str, body: AskCommand, idempotency_key: IdempotencyKey = None
) -> CommandView:
    """Tell a sink to drain, resume, restart or stop. It hears of it when it next asks for work.

    Under one Idempotency-Key it is told once, however often that is asked for in a day, and not after another command.
    """
    order_id = await promised_id(desk, request, idempotency_key, body.command.encode())
    order = await desk.orders.give(name, body.command, actor_of(caller_of(request)), order_id)
    return _command(desk, order, await desk.presence.get(name))


@router.delete("/api/sinks/{name}/commands/{id}", status_code=204)
async def cancel_command(desk: Desk, request: Request, name: str, id: str) -> None:  # noqa: A002 - as the address says
    """Cancel a command that the sink has not taken. What cancels drain is resume, and the other way round."""
    await desk.orders.take_back(name, id, actor_of(caller_of(request)))


def _command(desk: Services, order: Order, seen: Presence | None) -> CommandView:
    return CommandView(
        id=order.id,
        command=order.command,
        state=state_of_order(order, seen, desk.clock.now()),
        by=order.by,
        at=order.at,
        expires_at=order.expires_at,
    )


def _long_gone(sink: Sink, seen: Presence | None, now: datetime) -> bool:
    return now - (seen.seen_at if seen else sink.enrolled_at) >= LONG_GONE


def _view(desk: Services, sink: Sink, seen: Presence | None) -> SinkView:
    return SinkView(
        **sink.model_dump(exclude={"order"}),
        command=_command(desk, sink.order, seen) if sink.order else None,
        commands=list(seen.commands) if seen else [],
        removal_suggested=_long_gone(sink, seen, desk.clock.now()),
        state=state_of(seen, desk.clock.now(), sink),
        seen_at=seen.seen_at if seen else None,
        version=seen.version if seen else None,
        platform=seen.platform if seen else None,
        slots=seen.slots if seen else None,
        running=seen.running if seen else None,
        runtimes=list(seen.runtimes) if seen else [],
        modules=list(seen.modules) if seen else [],
        bundles=list(seen.bundles) if seen else [],
    )
