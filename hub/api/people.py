"""`/api/me`, `/api/tokens`, `/api/enrolments`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Request

from hub.api.cursors import Cursor, Limit, page
from hub.api.security import Desk, GuardedRoute, caller_of
from hub.api.views import (
    CreatedEnrolment,
    CreatedToken,
    CreateEnrolment,
    CreateToken,
    EnrolmentList,
    EnrolmentView,
    Me,
    TokenList,
    TokenView,
)
from hub.errors import FieldError, Invalid, NotAllowed
from hub.people.identity import Person

router = APIRouter(route_class=GuardedRoute, tags=["people"])

ENROLMENT_SECONDS: Final = 86_400


@router.get("/api/me")
async def me(request: Request) -> Me:
    """Who the token belongs to, and what it may."""
    caller = caller_of(request)
    if not isinstance(caller, Person):
        raise NotAllowed
    return Me(name=caller.name, role=caller.role)


@router.post("/api/tokens", status_code=201)
async def create_token(desk: Desk, body: CreateToken) -> CreatedToken:
    """An access token. It is shown in this answer and never again."""
    made = await desk.tokens.create(body.name, body.role, body.expires_at)
    return CreatedToken(**made.token.model_dump(), token=made.text)


@router.get("/api/tokens")
async def list_tokens(desk: Desk, cursor: Cursor = None, limit: Limit = 100) -> TokenList:
    """Tokens by name, expired ones too."""
    found, following = page(desk.cursors, "tokens", await desk.tokens.list(), lambda each: each.name, cursor, limit)
    return TokenList(items=[TokenView(**each.model_dump()) for each in found], cursor=following)


@router.delete("/api/tokens/{name}", status_code=204)
async def revoke_token(desk: Desk, name: str) -> None:
    """End a token, everywhere within 5 s."""
    await desk.tokens.revoke(name)


@router.post("/api/enrolments", status_code=201)
async def create_enrolment(desk: Desk, body: CreateEnrolment) -> CreatedEnrolment:
    """A token that lets agents in. It is shown in this answer and never again."""
    if body.expires_in is not None and body.expires_at is not None:
        what = "is given beside expires_in: give one of the two"
        raise Invalid(f"expires_at {what}", [FieldError("expires_at", what)])
    seconds = ENROLMENT_SECONDS if body.expires_in is None else body.expires_in
    expires_at = body.expires_at or desk.clock.now().replace(microsecond=0) + timedelta(seconds=seconds)
    made = await desk.enrolments.create(body.sink_type, body.uses, expires_at)
    return CreatedEnrolment(**made.enrolment.model_dump(), token=made.text)


@router.get("/api/enrolments")
async def list_enrolments(desk: Desk, cursor: Cursor = None, limit: Limit = 100) -> EnrolmentList:
    """Enrolments with uses left, those that expired too."""
    all_of_them = await desk.enrolments.list()
    found, following = page(desk.cursors, "enrolments", all_of_them, lambda each: each.id, cursor, limit)
    return EnrolmentList(items=[EnrolmentView(**each.model_dump()) for each in found], cursor=following)


@router.delete("/api/enrolments/{id}", status_code=204)
async def revoke_enrolment(desk: Desk, id: str) -> None:  # noqa: A002 - the name in the address
    """End an enrolment; sinks that are in stay in."""
    await desk.enrolments.revoke(id)
