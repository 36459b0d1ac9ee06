"""`/api/secrets`: which there are, for admins. A value goes in and never comes out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from hub.api.cursors import Cursor, Limit, page
from hub.api.resources import IfMatch, IfNoneMatch
from hub.api.security import Desk, GuardedRoute, caller_of
from hub.api.views import Asked, Time, View
from hub.audit.attempt import intend
from hub.configure.matching import Match, etag
from hub.errors import NotAllowed
from hub.model.secret import Keeper, SecretInfo
from hub.people.identity import Person

router = APIRouter(route_class=GuardedRoute, tags=["secrets"])


class PutSecret(Asked):
    """A secret's value, which is written and never read back, and what it is for."""

    value: Annotated[str | None, Field(repr=False, json_schema_extra={"format": "password", "writeOnly": True})]
    """null: somebody else puts it into the key vault, and the hub only reads it there."""
    description: Annotated[str, Field(max_length=500)] = ""


class RestoreSecret(Asked):
    """Which version is to stand again."""

    version: Annotated[str, Field(max_length=100)]


class VersionView(View):
    """One value of a secret."""

    version: str
    changed_at: Time
    changed_by: str
    keeper: Keeper


class SecretView(View):
    """What is known of a secret. Its value is in no answer."""

    name: str
    description: str
    version: str
    """Another value has another version."""
    changed_at: Time
    changed_by: str
    keeper: Keeper
    """Who has the value: the hub, the key vault, or somebody else who puts it into the vault."""
    previous: VersionView | None
    """The version before, which can be restored."""


class SecretList(View):
    items: list[SecretView]
    cursor: str | None


@router.get("/api/secrets")
async def list_secrets(desk: Desk, cursor: Cursor = None, limit: Limit = 100) -> SecretList:
    """Secrets by name, without their values."""
    found, following = page(desk.cursors, "secrets", await desk.secrets.list(), lambda each: each.name, cursor, limit)
    return SecretList(items=[_view(each) for each in found], cursor=following)


@router.get("/api/secrets/{name}", response_model=SecretView)
async def read_secret(desk: Desk, name: str) -> Response:
    """What is known of one secret, and its version in the ETag; not its value."""
    return _one(await desk.secrets.get(name))


@router.put("/api/secrets/{name}", response_model=SecretView)
async def put_secret(
    desk: Desk,
    request: Request,
    name: str,
    body: PutSecret,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Create, or replace value and description: then If-Match says which version was read."""
    match = Match.of_headers(if_match, if_none_match)
    await intend()  # before the value lies anywhere; what stands before and after is told by the registry's write
    saved = await desk.secrets.put(name, body.value, body.description, match, _who(request))
    return _one(saved.info, 201 if saved.created else 200)


@router.post("/api/secrets/{name}/restore", response_model=SecretView)
async def restore_secret(
    desk: Desk, request: Request, name: str, body: RestoreSecret, if_match: IfMatch = None
) -> Response:
    """Let the version before stand again. Restoring what stands already changes nothing"""
    match = Match.of_headers(if_match, None)
    await intend()
    return _one(await desk.secrets.restore(name, body.version, match, _who(request)))


@router.delete("/api/secrets/{name}", status_code=204)
async def delete_secret(desk: Desk, name: str, if_match: IfMatch = None) -> None:
    """Remove it. One that documents name stays: 409 with the list."""
    match = Match.of_headers(if_match, None)
    await intend()
    await desk.secrets.delete(name, match)


def _who(request: Request) -> str:
    caller = caller_of(request)
    if not isinstance(caller, Person):
        raise NotAllowed
    return caller.name


def _view(info: SecretInfo) -> SecretView:
    return SecretView(**info.model_dump())


def _one(info: SecretInfo, status: int = 200) -> Response:
    content = _view(info).model_dump(mode="json")
    return JSONResponse(content, status, headers={"ETag": etag(info.version)})
