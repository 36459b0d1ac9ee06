"""`/api/sources/{name}/receipts`: what became of what came to a webhook or an Event Grid source, and replaying it."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import JsonValue

from hub.api import cursors
from hub.api.cursors import Cursor, Limit
from hub.api.receipt_views import ReceiptLine, ReceiptList, ReceiptView, Replayed
from hub.api.security import Desk, GuardedRoute
from hub.api.services import Services
from hub.audit.attempt import came_to, intend
from hub.errors import NotFound
from hub.model.audit import Change
from hub.model.configuration import EventGridSource, Kind, WebhookSource
from hub.rules import ids
from hub.sources.arrival import ReceivingSource

router = APIRouter(route_class=GuardedRoute, tags=["receipts"])


@router.get("/api/sources/{name}/receipts")
async def list_receipts(desk: Desk, name: str, cursor: Cursor = None, limit: Limit = 50) -> ReceiptList:
    """What became of a webhook's requests, or of the events that an Event Grid source heard, the newest first."""
    source = await _receiving(desk, name)
    kind = f"receipts/{source.name.casefold()}"
    page = await desk.sources.receipt_list.page(
        source.name, after=cursors.read(desk.cursors, kind, cursor), limit=limit
    )
    reached = page.reached
    return ReceiptList(
        items=[ReceiptView.of(each) for each in page.items],
        cursor=cursors.issue(desk.cursors, kind, reached) if reached else None,
        searched_to=ids.time_of(reached) if reached else None,
    )


@router.get("/api/sources/{name}/receipts/{id}")
async def read_receipt(desk: Desk, name: str, id: str) -> ReceiptView:  # noqa: A002 - the name in the address
    """What became of one request or event."""
    source = await _receiving(desk, name)
    return ReceiptView.of(await desk.sources.receipt_list.get(source.name, ids.check(id)))


@router.post("/api/sources/{name}/receipts/{id}/replay", status_code=201)
async def replay_receipt(desk: Desk, response: Response, name: str, id: str) -> Replayed:  # noqa: A002
    """Map a request or event again, under today's configuration: what it fires are new events."""
    source = await _receiving(desk, name)
    await intend([Change(resource="events", after={"replay_of": ids.check(id)})])
    fired = await desk.sources.replays.replay(source.name, ids.check(id))
    response.headers["Location"] = f"/api/sources/{source.name}/receipts/{fired.receipt_id}"
    event_id = fired.event.id if fired.event is not None else None
    events: list[JsonValue] = [line.event_id for line in fired.lines if line.event_id is not None]
    came_to(f"sources/{source.name}/receipts/{fired.receipt_id}", {"replay_of": ids.check(id), "events": events})
    return Replayed(
        receipt_id=fired.receipt_id, event_id=event_id, event_types=[ReceiptLine.of(each) for each in fired.lines]
    )


async def _receiving(desk: Services, name: str) -> ReceivingSource:
    source = (await desk.resources.get(Kind.SOURCE, name)).model
    if not isinstance(source, WebhookSource | EventGridSource):
        raise NotFound(f"the source {name} is neither a webhook nor of Event Grid: only those have receipts")
    return source
