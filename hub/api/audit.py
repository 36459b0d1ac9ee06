"""`/api/audit`: who did what, when, from where. For admins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import JsonValue

from hub.api import cursors
from hub.api.events import check_times
from hub.api.moments import Moment
from hub.api.security import Desk, GuardedRoute
from hub.api.views import Time, View
from hub.audit.release_list import WantedRelease
from hub.audit.verifying import Walk
from hub.audit.wanted import AuditPage, Told, Wanted
from hub.errors import FieldError, Invalid
from hub.model.audit import Result
from hub.signing import Signer

router = APIRouter(route_class=GuardedRoute, tags=["audit"])

_LIST = "audit"
_RELEASES = "releases"
_VERIFY = "audit-verify"
Filter = Annotated[str | None, Query(max_length=300)]


class ChangeView(View):
    """What became of one resource. Of what was replaced only the fields that differ."""

    resource: str
    before: JsonValue
    after: JsonValue


class GivenSecretView(View):
    name: str
    version: str


class AuditEntryView(View):
    """Who did what, when, from where, to what, and how it ended."""

    chain: str
    seq: int
    id: str
    at: Time
    actor: str | None
    address: str | None
    action: str
    resource: str
    result: Result
    status: int | None
    reason: str | None
    changes: list[ChangeView]
    secrets: list[GivenSecretView]
    count: int | None
    counts: Mapping[str, int] | None
    hash: str

    @classmethod
    def of(cls, told: Told) -> AuditEntryView:
        entry = told.entry
        fields = {name: getattr(entry, name) for name in cls.model_fields if name not in ("changes", "secrets", "hash")}
        changes = [ChangeView(**each.model_dump()) for each in entry.changes]
        secrets = [GivenSecretView(**each.model_dump()) for each in entry.secrets]
        return cls(**fields, changes=changes, secrets=secrets, hash=told.hash)


class AuditList(View):
    items: list[AuditEntryView]
    cursor: str | None
    searched_to: Time | None


class HeadView(View):
    """How far a chain goes."""

    chain: str
    seq: int
    hash: str


class BreakView(View):
    """The first entry of a chain, or of a part of it, that is not as it was written."""

    chain: str
    seq: int
    what: str


class Verification(View):
    """How far the audit was verified, by this call and those before it whose cursor it was given."""

    complete: bool
    """Whether all of it was looked at. If not, ask on with the cursor."""
    cursor: str | None
    breaks: list[BreakView]
    """Found by this call alone."""
    heads: list[HeadView]
    """Of every chain that is alive: keep them elsewhere, and compare."""
    entries: int
    """That hold."""
    anchors: int
    anchors_met: int
    """Heads in the anchors whose entries are as they said."""
    anchors_unreadable: int


@router.get("/api/audit/verify")
async def verify_audit(desk: Desk, cursor: Annotated[str | None, Query(max_length=1000)] = None) -> Verification:
    """Whether the audit is as it was written: every entry by its hash, every head, every anchor; and where it is not.

    About 20 000 entries a call: ask on with the cursor until it is complete. Whole, and nothing removed: no `breaks`.
    """
    position = cursors.read(desk.cursors, _VERIFY, cursor)
    done = await desk.audit.verifying.step(Walk() if position is None else Walk.model_validate_json(position))
    walk = done.walk
    complete = walk.stage == "over"
    return Verification(
        complete=complete,
        cursor=None if complete else cursors.issue(desk.cursors, _VERIFY, walk.model_dump_json(exclude_defaults=True)),
        breaks=[BreakView(chain=each.chain, seq=each.seq, what=each.what) for each in done.breaks],
        heads=[HeadView(chain=each.chain, seq=each.seq, hash=each.hash) for each in done.heads],
        entries=walk.entries,
        anchors=walk.anchors,
        anchors_met=walk.met,
        anchors_unreadable=walk.unreadable,
    )


@router.get("/api/audit")
async def list_audit(
    desk: Desk,
    actor: Filter = None,
    action: Filter = None,
    resource: Filter = None,
    result: Result | None = None,
    secret: Annotated[str | None, Query(max_length=127, description="Releases of this secret to sinks")] = None,
    version: Annotated[str | None, Query(max_length=100, description="Of the secret: who got this version")] = None,
    releases: Annotated[bool, Query(description="Releases of secrets to sinks, in place of what people do")] = False,
    begin: Annotated[Moment | None, Query(alias="from", description="Not older than this")] = None,
    end: Annotated[Moment | None, Query(alias="to", description="Older than this")] = None,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> AuditList:
    """What was done and what was refused, the newest first; or with `secret` which sinks were given it.

    `resource` also finds what lies below it.
    """
    check_times(begin, end)
    wanted = Wanted(actor, action, resource, result, begin, end)
    if version is not None and secret is None:
        what = "is given without secret: of which secret it is"
        raise Invalid(f"version {what}", [FieldError("version", what)])
    if releases or secret is not None:
        release, after = WantedRelease(wanted, secret, version), cursors.read(desk.cursors, _RELEASES, cursor)
        return _answer(desk.cursors, _RELEASES, await desk.audit.release_list.page(release, after=after, limit=limit))
    page = await desk.audit.people.page(wanted, after=cursors.read(desk.cursors, _LIST, cursor), limit=limit)
    return _answer(desk.cursors, _LIST, page)


def _answer(signer: Signer, of: str, page: AuditPage) -> AuditList:
    return AuditList(
        items=[AuditEntryView.of(each) for each in page.items],
        cursor=cursors.issue(signer, of, page.reached) if page.reached else None,
        searched_to=page.searched_to if page.reached else None,
    )
