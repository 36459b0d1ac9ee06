"""`/api/events`: fire, list, read, cancel, logs."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response

from hub.api import cursors, redaction
from hub.api.life_views import ExplainView, Retry, TreeNode, TreeView
from hub.api.live import LIVE, UNCHANGED, nothing_new
from hub.api.moments import Moment
from hub.api.security import Desk, GuardedRoute, caller_of
from hub.api.services import Services
from hub.api.views import EventLine, EventList, EventView, Fire, LogLineView, LogsView
from hub.audit.attempt import came_to, concerns, intend
from hub.errors import FieldError, Invalid, Missing, NotFound, Rejected
from hub.life.create import NewEvent
from hub.life.idempotency import Asked, Promised
from hub.life.listing import Wanted
from hub.life.rerun import Wish
from hub.life.tree import tree
from hub.model.audit import Change
from hub.model.configuration import EventType, SourceKind
from hub.model.event import Content, Event, State
from hub.model.snapshot import Snapshot
from hub.people.identity import actor_of
from hub.rules import ids, strict_json
from hub.rules.reporting import shown_state
from hub.rules.tracing import correlation_id_of, traceparent_of
from hub.storage import keys

router = APIRouter(route_class=GuardedRoute, tags=["events"])

_LIST = "events"
_KEY = re.compile(r"[\x21-\x7e]{1,200}")
Name = Annotated[str | None, Query(max_length=63)]
IdempotencyKey = Annotated[str | None, Header(description="Drawn by the caller, the same each time it tries again")]


@router.post("/api/events", status_code=201)
async def fire(
    desk: Desk, request: Request, response: Response, body: Fire, idempotency_key: IdempotencyKey = None
) -> EventView:
    """Fire an event by hand. Under one Idempotency-Key there is one event, however often it is asked for in a day."""
    desk.life.check_room()
    event_type, snapshot = await _fireable(desk, body.event_type)
    payload = strict_json.encode_bounded(body.payload, desk.life.terms.max_payload)
    promised = None
    if idempotency_key is not None:
        asked = f"{event_type.name.casefold()} ".encode() + payload
        promised = await promise(desk, request, idempotency_key, asked)
        before = None if promised.first else await _found(desk, promised.id)
        if before is not None:
            response.headers["Location"] = f"/api/events/{before.id}"
            concerns(f"events/{before.id}")
            return await _view(desk, before)
    await desk.depths.check([event_type], snapshot)
    await intend([Change(resource="events", after={"event_type": event_type.name})])
    event = await desk.creator.create(
        NewEvent(
            event_type=event_type,
            source_kind=SourceKind.MANUAL,
            payload=payload,
            id=promised.id if promised is not None else None,
            traceparent=traceparent_of(request.headers, desk.life.randomness()),
            correlation_id=correlation_id_of(request.headers),
        )
    )
    came_to(f"events/{event.id}", {"event_type": event.event_type}, about=f"events/{event.id}")
    response.headers["Location"] = f"/api/events/{event.id}"
    return EventView.of(event, event.state, body.payload, None)


async def promise(desk: Services, request: Request, key: str, content: bytes) -> Promised:
    """The id of what this request makes under this key. Raises `Invalid`, `Rejected`."""
    asked = Asked(actor_of(caller_of(request)), f"{request.method} {request.url.path}", checked_key(key), content)
    return await desk.idempotency.promise(asked)


async def promised_id(desk: Services, request: Request, key: str | None, content: bytes) -> str | None:
    """The id of what this request makes under this key; None without one. Raises `Invalid`, `Rejected`."""
    return None if key is None else (await promise(desk, request, key, content)).id


@router.get("/api/events", dependencies=[LIVE], responses=UNCHANGED)
async def list_events(
    desk: Desk,
    state: Annotated[str | None, Query(max_length=100, description="One of the states, or several with commas")] = None,
    event_type: Name = None,
    source: Name = None,
    sink: Name = None,
    begin: Annotated[Moment | None, Query(alias="from", description="Not older than this")] = None,
    end: Annotated[Moment | None, Query(alias="to", description="Older than this")] = None,
    search: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> EventList:
    """Events, the newest first. `search` finds an id exactly, else a part of type, sink, result code or message."""
    check_times(begin, end)
    wanted = Wanted(_states(state), event_type, source, sink, begin, end, search)
    page = await desk.listing.page(wanted, after=cursors.read(desk.cursors, _LIST, cursor), limit=limit)
    reached = page.reached
    return EventList(
        items=[EventLine.of(each) for each in page.items],
        cursor=cursors.issue(desk.cursors, _LIST, reached) if reached else None,
        searched_to=ids.time_of(reached) if reached else None,
    )


@router.get("/api/events/{id}", dependencies=[LIVE], responses=UNCHANGED)
async def read_event(desk: Desk, request: Request, id: str) -> EventView:  # noqa: A002 - the name in the address
    """Everything about one event. Viewers read its payload and result without what its EventType redacts."""
    try:
        stored = await desk.life.events.get(ids.check(id))
    except Missing:
        raise NotFound(f"there is no event {ids.check(id)}") from None
    return await _view(desk, stored.event, whole=redaction.sees_all(caller_of(request)))


@router.post("/api/events/{id}/cancel")
async def cancel(desk: Desk, id: str) -> EventView:  # noqa: A002 - the name in the address
    """End an event that is queued or running. Cancelling it again is fine; any other end came first: 409."""
    return await _view(desk, await desk.canceller.cancel(ids.check(id)))


@router.post("/api/events/{id}/retry", status_code=201)
async def retry(
    desk: Desk,
    request: Request,
    response: Response,
    id: str,  # noqa: A002 - the name in the address
    body: Retry | None = None,
    idempotency_key: IdempotencyKey = None,
) -> EventView:
    """Run an event that has ended once more, as a new event with the same payload.

    `as` is `today` (what is configured now) or `recorded` (what its last attempt ran). Under one Idempotency-Key there
    is one rerun, however often it is asked for within a day.
    """
    how = (body or Retry()).how
    await intend([Change(resource="events", after={"rerun_of": ids.check(id), "as": how})])
    event = await desk.reruns.rerun(
        Wish(
            event_id=ids.check(id),
            how=how,
            key=None if idempotency_key is None else checked_key(idempotency_key),
            traceparent=traceparent_of(request.headers, desk.life.randomness()),
            correlation_id=correlation_id_of(request.headers),
        )
    )
    came_to(f"events/{event.id}", {"event_type": event.event_type, "rerun_of": ids.check(id), "as": how})
    response.headers["Location"] = f"/api/events/{event.id}"
    return await _view(desk, event)


@router.get("/api/events/{id}/tree")
async def read_tree(desk: Desk, id: str) -> TreeView:  # noqa: A002 - the name in the address
    """All events of its root, which one followed which, and how each ended."""
    found = await tree(desk.life.events, ids.check(id))
    nodes = [TreeNode.of(each, _shown_state(desk, each)) for each in found.events]
    return TreeView(root_id=found.root_id, events=nodes, complete=found.complete)


@router.get("/api/events/{id}/explain")
async def explain_event(desk: Desk, id: str) -> ExplainView:  # noqa: A002 - the name in the address
    """Why it still waits: the first thing in its way, with its numbers, since when, and what would change it.

    `conditions` are all that were checked, in the order in which they are decided. It changes nothing.
    """
    explained = await desk.explainer.explain(ids.check(id))
    return ExplainView.explaining(explained.event, _shown_state(desk, explained.event), explained.explanation)


@router.get("/api/events/{id}/logs", response_model=LogsView, dependencies=[LIVE], responses=UNCHANGED)
async def read_logs(
    desk: Desk,
    request: Request,
    id: str,  # noqa: A002 - the name in the address
    after: Annotated[int, Query(ge=0, le=2**62)] = 0,
) -> Response:
    """Lines with a number above `after`: some thousand at a time, so ask on until it is `complete`.

    Reading makes a running task send its lines as they come for half a minute.
    """
    page = await desk.logs.read(ids.check(id), after=after)
    if not page.lines and not page.complete:
        nothing_new(request)
    view = LogsView(lines=[LogLineView.of(each) for each in page.lines], complete=page.complete)
    # Not by way of FastAPI, which would make objects of every line again before it makes text of them.
    return Response(view.model_dump_json(), media_type="application/json")


async def _fireable(desk: Services, name: str) -> tuple[EventType, Snapshot]:
    snapshot = await desk.configuration.current()
    found = snapshot.event_type(name)
    if found is None:  # it may have been made a moment ago, by another process
        snapshot = (await desk.configuration.news()).snapshot
        found = snapshot.event_type(name)
    if found is None:
        what = f"there is no event type {name}"
        raise Invalid(what, [FieldError("event_type", what)])
    if SourceKind.MANUAL not in found.sources:
        allowed = ", ".join(found.sources) or "none"
        raise Rejected(f"{found.name} may not be fired by hand: its sources are {allowed}")
    if not found.enabled:
        raise Rejected(f"{found.name} is disabled")
    return found, snapshot


async def _view(desk: Services, event: Event, *, whole: bool = True) -> EventView:
    """`whole`: payload and result as they are, for an Admin."""
    payload = await _content(desk, keys.PAYLOADS, event.payload)
    result = await _content(desk, keys.RESULTS, event.result_data)
    if not whole:
        payload, result = redaction.shown(event, payload, result, await desk.configuration.current())
    return EventView.of(event, _shown_state(desk, event), payload, result)


def _shown_state(desk: Services, event: Event) -> State:
    return shown_state(event.state, event.lease_until, desk.clock.now(), desk.life.margin())


async def _found(desk: Services, event_id: str) -> Event | None:
    try:
        return (await desk.life.events.get(event_id)).event
    except Missing:
        return None


def checked_key(given: str) -> str:
    """Raises `Invalid`."""
    if not _KEY.fullmatch(given):
        what = "must be 1 to 200 printable ASCII characters"
        raise Invalid(f"Idempotency-Key {what}", [FieldError("idempotency-key", what)])
    return given


async def _content(desk: Services, container: str, content: Content | None) -> Any:
    if content is None:
        return None
    try:
        return json.loads(await desk.life.contents.load(container, content))
    except Missing:
        raise NotFound("the event is being deleted: its retention is over") from None


def _states(text: str | None) -> frozenset[State]:
    try:
        return frozenset(State(each.strip().upper()) for each in text.split(",")) if text else frozenset()
    except ValueError:
        what = f"must be one or more of {', '.join(State)}, with commas between"
        raise Invalid(f"state {what}", [FieldError("state", what)]) from None


def check_times(begin: datetime | None, end: datetime | None) -> None:
    for name, at in (("from", begin), ("to", end)):
        if at is not None and (at.tzinfo is None or not 1970 <= at.year < 9999):
            what = "must be a time with its offset from UTC, such as 2026-11-23T22:00:00Z"
            raise Invalid(f"{name} {what}", [FieldError(name, what)])
