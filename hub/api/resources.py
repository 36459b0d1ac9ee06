"""`/api/sink-types`, `/api/actions`, `/api/event-types`, `/api/sources`, and all of them as `/api/configuration`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Body, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, JsonValue

from hub.api import cursors, redaction
from hub.api.cursors import Cursor, Limit
from hub.api.saved_views import (
    Applied,
    MissingSecret,
    Planned,
    SavedAction,
    SavedEventType,
    SavedSinkType,
    SavedSource,
    Warned,
)
from hub.api.security import Desk, GuardedRoute, caller_of
from hub.api.services import Services
from hub.api.views import (
    ActionList,
    AskPause,
    ConfigurationView,
    EventTypeList,
    Rotate,
    SinkTypeList,
    SourceDocument,
    SourceList,
    SourceView,
    WebhookSourceView,
)
from hub.configure.documents import list_name
from hub.configure.matching import Match, etag
from hub.configure.references import missing_secrets
from hub.configure.resources import Saved
from hub.configure.warnings import Named, sinks_asked_about, warnings
from hub.errors import FieldError, Invalid
from hub.model.configuration import (
    Action,
    EventType,
    Kind,
    Pause,
    SinkType,
    WebhookSource,
)
from hub.model.people import Role
from hub.model.snapshot import Snapshot
from hub.people.identity import Caller, Person
from hub.storage.codec import text_of_time
from hub.storage.configuration import Configuration, Entry, RowKind

router = APIRouter(route_class=GuardedRoute, tags=["configuration"])

READ_ONLY: Final = ("url", "old_url_until")
"""What a source reads back with, and a document may bring along as it was read."""
WARNINGS: Final = "warnings"
"""What a document is answered with that was saved, and may bring along as well."""
PAUSING: Final = {
    Kind.SINK_TYPE: "Start nothing new on sinks of this type, until it is resumed or a time",
    Kind.EVENT_TYPE: "Start nothing new of this event type, until it is resumed or a time",
    Kind.SOURCE: "Refuse what comes to this source with 503 (a schedule: fire nothing), until it is resumed or a time",
}
Document = Annotated[JsonValue, Body()]
IfMatch = Annotated[str | None, Header(description="The ETag of the version that was read, or *")]
Secrets = Annotated[Literal["first", "later"], Query(description="later: documents may name secrets not yet there")]
IfNoneMatch = Annotated[str | None, Header(description="*: only if nothing is there yet")]


def shown(entry: Entry, desk: Services, caller: Caller) -> dict[str, Any]:
    """A document as it is read."""
    document = entry.model.model_dump(mode="json")
    if isinstance(entry.model, WebhookSource):
        admin = isinstance(caller, Person) and caller.role is Role.ADMIN
        overlap = entry.old_key_until if entry.old_key_until and entry.old_key_until > desk.clock.now() else None
        document["url"] = f"{desk.public_url or ''}/hooks/{entry.key}" if admin and entry.key else None
        document["old_url_until"] = text_of_time(overlap) if overlap else None
    return document


async def warned(named: Named, desk: Services, snapshot: Snapshot) -> list[dict[str, Any]]:
    """What there is to say of these documents, as they stand there. Reads the sinks that they have to do with."""
    presences = await desk.presence.newest(sinks_asked_about(named, snapshot))
    return [asdict(each) for each in warnings(named, snapshot, presences, desk.clock.now())]


def add_kind(kind: Kind, model: Any, saved: Any, list_model: type[BaseModel], written: type[BaseModel]) -> None:
    """The five routes of one kind, whose documents are written as `written` and answered as `saved`."""
    one = f"/api/{kind}/{{name}}"
    schema = {"$ref": f"#/components/schemas/{written.__name__}"}
    takes = {"requestBody": {"content": {"application/json": {"schema": schema}}}}
    put, patch = _saving(kind)
    options: dict[str, Any] = {"response_model": saved, "openapi_extra": takes}
    router.add_api_route(one, put, methods=["PUT"], name=f"put {kind}", **options)
    router.add_api_route(one, patch, methods=["PATCH"], name=f"patch {kind}", response_model=saved)
    router.add_api_route(one, _reading(kind), methods=["GET"], name=f"read {kind}", response_model=model)
    router.add_api_route(one, _deleting(kind), methods=["DELETE"], name=f"delete {kind}", status_code=204)
    router.add_api_route(
        f"/api/{kind}", _listing(kind), methods=["GET"], name=f"list {kind}", response_model=list_model
    )


def _saving(kind: Kind) -> tuple[Callable[..., Any], Callable[..., Any]]:
    async def put(
        desk: Desk,
        request: Request,
        name: str,
        document: Document,
        if_match: IfMatch = None,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """Create, or replace as a whole: then If-Match says which version was read."""
        match = Match.of_headers(if_match, if_none_match)
        saved = await desk.resources.put(kind, name, _writable(kind, document), match)
        return await _kept(saved.entry, desk, caller_of(request), 201 if saved.created else 200)

    async def patch(desk: Desk, request: Request, name: str, changes: Document, if_match: IfMatch = None) -> Response:
        """Change some fields, by JSON merge patch (RFC 7396): null takes a field back to its default."""
        match = Match.of_headers(if_match, None)
        saved = await desk.resources.patch(kind, name, _writable(kind, changes), match)
        return await _kept(saved.entry, desk, caller_of(request))

    return put, patch


def _reading(kind: Kind) -> Callable[..., Any]:
    async def read(desk: Desk, request: Request, name: str) -> Response:
        """One document, and its version in the ETag."""
        entry = await desk.resources.get(kind, name)
        (readable,) = await _readable([entry], desk, caller_of(request))
        return _one(readable, desk, caller_of(request))

    return read


def _deleting(kind: Kind) -> Callable[..., Any]:
    async def delete(desk: Desk, name: str, if_match: IfMatch = None) -> None:
        """Remove it. What others name stays: 409 with the list."""
        await desk.resources.delete(kind, name, Match.of_headers(if_match, None))

    return delete


def _listing(kind: Kind) -> Callable[..., Any]:
    async def list_documents(desk: Desk, request: Request, cursor: Cursor = None, limit: Limit = 100) -> Response:
        """Documents by name."""
        after = cursors.read(desk.cursors, kind, cursor) or ""
        entries, more = await desk.resources.page(kind, after=after, limit=limit)
        following = cursors.issue(desk.cursors, kind, entries[-1].name) if more else None
        caller = caller_of(request)
        items = [shown(each, desk, caller) for each in await _readable(entries, desk, caller)]
        return JSONResponse({"items": items, "cursor": following})

    return list_documents


async def _readable(entries: Sequence[Entry], desk: Services, caller: Caller) -> Sequence[Entry]:
    """Without what the caller does not read."""
    if redaction.sees_all(caller):
        return entries
    snapshot = await desk.configuration.current()
    return [replace(each, model=redaction.of_source(each.model, snapshot)) for each in entries]


def _one(entry: Entry, desk: Services, caller: Caller, status: int = 200) -> Response:
    return JSONResponse(shown(entry, desk, caller), status, headers={"ETag": etag(entry.revision)})


async def _kept(entry: Entry, desk: Services, caller: Caller, status: int = 200) -> Response:
    """A document that was saved, with what there is to say of it."""
    snapshot = (await desk.configuration.newest()).snapshot
    said = await warned([(Kind(entry.kind), entry.name)], desk, snapshot)
    document = {**shown(entry, desk, caller), WARNINGS: said}
    return JSONResponse(document, status, headers={"ETag": etag(entry.revision)})


def _writable(kind: Kind, document: JsonValue) -> JsonValue:
    """The document without what only the hub writes."""
    if not isinstance(document, dict):
        return document
    theirs = (WARNINGS, *READ_ONLY) if kind is Kind.SOURCE else (WARNINGS,)
    return {name: value for name, value in document.items() if name not in theirs}


add_kind(Kind.SINK_TYPE, SinkType, SavedSinkType, SinkTypeList, SinkType)
add_kind(Kind.ACTION, Action, SavedAction, ActionList, Action)
add_kind(Kind.EVENT_TYPE, EventType, SavedEventType, EventTypeList, EventType)
add_kind(Kind.SOURCE, SourceView, SavedSource, SourceList, SourceDocument)


def add_pausing(kind: Kind, model: Any) -> None:
    """The two routes of a kind that can be paused."""

    async def pause(desk: Desk, request: Request, name: str, body: AskPause | None = None) -> Response:
        wanted = body or AskPause()
        entry = await desk.resources.pause(kind, name, Pause(note=wanted.note, until=wanted.until))
        return _one(entry, desk, caller_of(request))

    async def resume(desk: Desk, request: Request, name: str) -> Response:
        return _one(await desk.resources.pause(kind, name, None), desk, caller_of(request))

    one = f"/api/{kind}/{{name}}"
    for verb, endpoint, description in (("pause", pause, PAUSING[kind]), ("resume", resume, "End its pause")):
        router.add_api_route(
            f"{one}/{verb}",
            endpoint,
            methods=["POST"],
            name=f"{verb} {kind}",
            description=description,
            response_model=model,
        )


add_pausing(Kind.SINK_TYPE, SinkType)
add_pausing(Kind.EVENT_TYPE, EventType)
add_pausing(Kind.SOURCE, SourceView)


@router.post("/api/sources/{name}/rotate-key")
async def rotate_key(desk: Desk, request: Request, name: str, body: Rotate | None = None) -> WebhookSourceView:
    """Give a webhook a new address; the old one works for the overlap."""
    overlap = timedelta(hours=(body or Rotate()).overlap_hours)
    entry = await desk.resources.rotate_key(name, overlap)
    return WebhookSourceView.model_validate(shown(entry, desk, caller_of(request)))


@router.get("/api/configuration")
async def export(desk: Desk, request: Request, response: Response) -> ConfigurationView:
    """All documents, as one that can be imported. Webhook addresses are left out."""
    newest, caller = await desk.configuration.newest(), caller_of(request)
    response.headers["ETag"] = etag(newest.version)
    entries = {kind: await _readable(newest.of(RowKind(kind)), desk, caller) for kind in Kind}
    return _view_of(entries)


@router.put("/api/configuration")
async def apply(desk: Desk, document: Document, secrets: Secrets = "first", if_match: IfMatch = None) -> Applied:
    """Create or replace all of these together, or none: they may name each other. What is not named stays."""
    match = Match.of_headers(if_match, None)
    saved = await desk.resources.apply(_lists(document), match, secrets_later=secrets == "later")
    return Applied(**await _told(saved, await desk.configuration.newest(), desk))


@router.post("/api/configuration/plan")
async def plan(desk: Desk, document: Document, secrets: Secrets = "first") -> Planned:
    """What importing these would do, and nothing is done: the same checks, warnings and refusals."""
    rehearsed = await desk.resources.rehearse(_lists(document), secrets_later=secrets == "later")
    named = {each.entry.row_key for each in rehearsed.saved}
    return Planned(
        **await _told(rehearsed.saved, rehearsed.after, desk),
        version=rehearsed.before.version,
        before=_exported(rehearsed.before, lambda each: each.row_key in named),
        after=_exported(rehearsed.after, lambda each: each.row_key in named),
    )


def _exported(configuration: Configuration, wanted: Callable[[Entry], bool]) -> ConfigurationView:
    return _view_of({kind: [each for each in configuration.of(RowKind(kind)) if wanted(each)] for kind in Kind})


def _view_of(entries: Mapping[Kind, Sequence[Entry]]) -> ConfigurationView:
    return ConfigurationView.model_validate(
        {list_name(kind): [each.model for each in found] for kind, found in entries.items()}
    )


async def _told(saved: Sequence[Saved], after: Configuration, desk: Services) -> dict[str, Any]:
    """What an import did, or would do, that leads to that configuration."""
    told: dict[str, Any] = {"created": [], "changed": [], "unchanged": []}
    for each in saved:
        told["created" if each.created else "unchanged" if each.entry.etag else "changed"].append(
            f"{each.entry.kind}/{each.entry.name}"
        )
    named = [(Kind(each.entry.kind), each.entry.name) for each in saved]
    said = await warned(named, desk, after.snapshot)
    missing = missing_secrets(after).items()
    return told | {
        "missing_secrets": [MissingSecret(name=name, named_by=who) for name, who in missing],
        "warnings": [Warned(**each) for each in said],
    }


def _lists(document: JsonValue) -> dict[Kind, list[JsonValue]]:
    kinds = {list_name(kind): kind for kind in Kind}
    if not isinstance(document, dict) or not set(document) <= set(kinds):
        what = f"must be an object with the lists {', '.join(kinds)}, or some of them"
        raise Invalid(f"the configuration {what}", [FieldError("", what)])
    lists: dict[Kind, list[JsonValue]] = {}
    for name, documents in document.items():
        if not isinstance(documents, list):
            raise Invalid(f"{name} must be a JSON array", [FieldError(name, "must be a JSON array")])
        kind = kinds[name]
        lists[kind] = [_writable(kind, each) for each in documents]
    return lists
