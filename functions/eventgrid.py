"""Events that Azure Event Grid delivers."""

from __future__ import annotations

import azure.functions as func

from functions.endpoint import trigger
from hub.process import hub

event_grid = func.Blueprint()


@event_grid.event_grid_trigger("event")
@trigger
async def eventgrid(event: str) -> None:
    """Fire what the event fires. As text: the library's objects leave out what they do not know, and fail over times.

    What it raises makes Event Grid send the event again, with all of its batch.
    """
    here = await hub()
    here.upkeep.traffic()
    await here.sources.event_grid.receive(event)
