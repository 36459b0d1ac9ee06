"""`/api/formats`: which format the hub writes, and raising it once no older release runs."""

from __future__ import annotations

from fastapi import APIRouter, Request

from hub.api.security import Desk, GuardedRoute, caller_of
from hub.api.views import Time, View
from hub.audit.attempt import intend
from hub.errors import NotAllowed
from hub.people.identity import Person
from hub.rules.formats import FIRST, Level
from hub.storage import codec
from hub.version import VERSION

router = APIRouter(route_class=GuardedRoute, tags=["health"])


class FormatsView(View):
    """The formats of rows and messages."""

    version: str
    """The release that answers."""
    format: int
    """The newest that this release can write."""
    level: int
    """The one that is written: below `format` until it is finalised."""
    reads: list[int]
    """All that this release reads."""
    finalised_by: str | None
    """null: nobody has; the database began at this level."""
    finalised_at: Time | None


class Finalised(FormatsView):
    """What came of it."""

    finalised: bool
    """false: there was nothing to finalise."""
    words: str


@router.get("/api/formats")
async def read_formats(desk: Desk) -> FormatsView:
    """Which format is written, and which are read. They differ after an upgrade, until it is finalised."""
    return _view(await desk.formats.level())


@router.post("/api/formats/finalise")
async def finalise_formats(desk: Desk, request: Request) -> Finalised:
    """Write the newest format from now on. No older release can serve this database then: look that none runs.

    Where there is nothing to finalise the answer says so.
    """
    caller = caller_of(request)
    if not isinstance(caller, Person):
        raise NotAllowed
    await intend()
    raised = await desk.formats.finalise(caller.name)
    level = await desk.formats.level()
    words = f"format {level.number} is written from now on" if raised else f"format {level.number} is written already"
    return Finalised(**dict(_view(level)), finalised=raised, words=words)


def _view(level: Level) -> FormatsView:
    return FormatsView(
        version=VERSION,
        format=codec.FORMAT,
        level=level.number,
        reads=list(range(FIRST, codec.FORMAT + 1)),
        finalised_by=level.by,
        finalised_at=level.at,
    )
