"""`/api/events/bulk` and `/api/operations`: something done to many events, and how far it has come."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from hub.api import cursors
from hub.api.cursors import Cursor, Limit
from hub.api.events import IdempotencyKey, check_times, promised_id
from hub.api.live import LIVE, UNCHANGED
from hub.api.operation_views import Bulk, OperationList, OperationView
from hub.api.security import Desk, GuardedRoute, caller_of
from hub.audit.attempt import came_to, intend
from hub.life.operations import NewOperation
from hub.model.audit import Change
from hub.model.operation import BulkAction, Operation, OperationState
from hub.people.identity import actor_of
from hub.rules import ids, strict_json
from hub.rules.rerunning import RerunAs

router = APIRouter(route_class=GuardedRoute, tags=["operations"])

_LIST = "operations"


@router.post("/api/events/bulk", status_code=202)
async def begin_operation(
    desk: Desk, request: Request, response: Response, body: Bulk, idempotency_key: IdempotencyKey = None
) -> OperationView:
    """Cancel, or run again, all events that a filter finds, as an operation that goes on by itself.

    Events that come after it began are not touched. Under one
    Idempotency-Key there is one operation. `GET /api/operations/{id}` says how far it has come.
    """
    check_times(body.filter.begin, body.filter.end)
    found = body.checked()
    asked = body.model_dump(mode="json", by_alias=True, exclude_unset=True)
    await intend([Change(resource="operations", after=asked)])
    operation_id = await promised_id(desk, request, idempotency_key, strict_json.write(asked))
    operation = await desk.operations.begin(
        NewOperation(
            action=body.action,
            filter=found,
            how=(body.how or RerunAs.TODAY) if body.action is BulkAction.RETRY else None,
            id=operation_id,
            created_by=actor_of(caller_of(request)),
        )
    )
    came_to(f"operations/{operation.id}", asked, about=f"operations/{operation.id}")
    response.headers["Location"] = f"/api/operations/{operation.id}"
    return _view(operation)


@router.get("/api/operations")
async def list_operations(desk: Desk, cursor: Cursor = None, limit: Limit = 50) -> OperationList:
    """Operations, the newest first. They are kept for 30 days."""
    found = await desk.operations.page(after=cursors.read(desk.cursors, _LIST, cursor), limit=limit)
    following = cursors.issue(desk.cursors, _LIST, found[-1].id) if len(found) == limit else None
    return OperationList(items=[_view(each) for each in found], cursor=following)


@router.get("/api/operations/{id}", dependencies=[LIVE], responses=UNCHANGED)
async def read_operation(desk: Desk, id: str) -> OperationView:  # noqa: A002 - the name in the address
    """How far one operation has come."""
    return _view(await desk.operations.get(ids.check(id)))


@router.post("/api/operations/{id}/cancel")
async def cancel_operation(desk: Desk, id: str) -> OperationView:  # noqa: A002 - the name in the address
    """End an operation where it is: what it has done, and the hundred events that it is at, stay done."""
    return _view(await desk.operations.cancel(ids.check(id)))


def _view(operation: Operation) -> OperationView:
    at = operation.position if operation.state is not OperationState.DONE else None
    return OperationView.of(operation, ids.time_of(at) if at else None)
