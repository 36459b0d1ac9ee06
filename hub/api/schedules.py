"""`/api/sources/{name}/preview`: when a schedule will fire."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from hub.api.security import Desk, GuardedRoute
from hub.api.views import Time, View
from hub.errors import NotFound
from hub.model.configuration import Kind, ScheduleSource
from hub.rules.preview import Fire, preview

router = APIRouter(route_class=GuardedRoute, tags=["schedules"])


class FireView(View):
    """A time at which the schedule fires, and on the clock of its time zone."""

    at: Time
    local: str
    note: str | None
    """What a change of the clock, or a pause, does to it."""

    @classmethod
    def of(cls, fire: Fire) -> FireView:
        return cls(at=fire.at, local=fire.local.isoformat(timespec="seconds"), note=fire.note)


class PreviewView(View):
    """In order; none: it does not fire in the next five years."""

    fires: list[FireView]


@router.get("/api/sources/{name}/preview")
async def preview_schedule(
    desk: Desk, name: str, count: Annotated[int, Query(ge=1, le=100, description="How many of the next")] = 10
) -> PreviewView:
    """When a schedule fires next, and around the next two changes of its clock."""
    entry = await desk.resources.get(Kind.SOURCE, name)
    if not isinstance(entry.model, ScheduleSource):
        raise NotFound(f"the source {entry.name} is no schedule: only those have a preview")
    fires = preview(entry.model, entry.standing, desk.clock.now(), count)
    return PreviewView(fires=[FireView.of(each) for each in fires])
