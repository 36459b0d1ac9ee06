"""`/api/tokens`, `/api/enrolments`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Request

from hub.api.cursors import Cursor, Limit, page
from hub.api.people_views import (
    CreatedEnrolment,
    CreatedToken,
    CreateEnrolment,
    CreateToken,
    EnrolmentList,
    EnrolmentView,
    TokenList,
    TokenView,
)
from hub.api.security import Desk, GuardedRoute, person_of
from hub.errors import FieldError, Invalid
from hub.model.people import Token, User
from hub.people.enrolment import WantedEnrolment
from hub.people.tokens import USUAL_LIFETIME

router = APIRouter(route_class=GuardedRoute, tags=["people"])

ENROLMENT_SECONDS: Final = 86_400


@router.post("/api/tokens", status_code=201)
async def create_token(desk: Desk, request: Request, body: CreateToken) -> CreatedToken:
    """An access token of one's own. It is shown in this answer and never again."""
    person = person_of(request)
    expires_at = body.expires_at
    if "expires_at" not in body.model_fields_set:
        expires_at = (desk.clock.now() + USUAL_LIFETIME).replace(microsecond=0)
        if person.token is not None and person.expires_at is not None:
            expires_at = min(expires_at, person.expires_at)
    made = await desk.people.tokens.create_for(person, body.name, body.role, expires_at)
    return CreatedToken.of(made.token, person.name if person.id else None, None, token=made.text)


@router.get("/api/tokens")
async def list_tokens(desk: Desk, request: Request, cursor: Cursor = None, limit: Limit = 100) -> TokenList:
    """Tokens by name, expired ones too: one's own, for Admins everybody's."""
    tokens = await desk.people.tokens.list(person_of(request))
    found, following = page(desk.cursors, "tokens", tokens, lambda each: each.token.name, cursor, limit)
    users = (await desk.configuration.credentials()).users
    used = await desk.people.token_use.all()
    items = [TokenView.of(each.token, _name_of(users, each.token), used.get(each.sha256)) for each in found]
    return TokenList(items=items, cursor=following)


def _name_of(users: Mapping[str, User], token: Token) -> str | None:
    user = users.get(token.user) if token.user is not None else None
    return user.name if user is not None else None


@router.delete("/api/tokens/{name}", status_code=204)
async def revoke_token(desk: Desk, request: Request, name: str) -> None:
    """End a token, everywhere within 5 s: one's own, for Admins anybody's."""
    await desk.people.token_use.forget(await desk.people.tokens.revoke(name, person_of(request)))


@router.post("/api/enrolments", status_code=201)
async def create_enrolment(desk: Desk, body: CreateEnrolment) -> CreatedEnrolment:
    """A token that lets agents in. It is shown in this answer and never again."""
    if body.expires_in is not None and body.expires_at is not None:
        what = "is given beside expires_in: give one of the two"
        raise Invalid(f"expires_at {what}", [FieldError("expires_at", what)])
    seconds = ENROLMENT_SECONDS if body.expires_in is None else body.expires_in
    expires_at = body.expires_at or desk.clock.now().replace(microsecond=0) + timedelta(seconds=seconds)
    said = body.model_dump(include={"sink_type", "uses", "labels", "networks", "replace", "ephemeral"})
    made = await desk.people.enrolments.create(WantedEnrolment(**said, expires_at=expires_at))
    return CreatedEnrolment(**made.enrolment.model_dump(), token=made.text)


@router.get("/api/enrolments")
async def list_enrolments(desk: Desk, cursor: Cursor = None, limit: Limit = 100) -> EnrolmentList:
    """Enrolments with uses left, those that expired too."""
    all_of_them = await desk.people.enrolments.list()
    found, following = page(desk.cursors, "enrolments", all_of_them, lambda each: each.id, cursor, limit)
    return EnrolmentList(items=[EnrolmentView(**each.model_dump()) for each in found], cursor=following)


@router.delete("/api/enrolments/{id}", status_code=204)
async def revoke_enrolment(desk: Desk, id: str) -> None:  # noqa: A002 - the name in the address
    """End an enrolment; sinks that are in stay in."""
    await desk.people.enrolments.revoke(id)
