"""The one timer."""

from __future__ import annotations

import azure.functions as func

from functions.endpoint import trigger
from hub.process import hub

ticks = func.Blueprint()


@ticks.timer_trigger("timer", "0 * * * * *")
@trigger
async def tick(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the binding's name is part of the contract
    """One step of upkeep, each minute."""
    await (await hub()).upkeep.tick()
