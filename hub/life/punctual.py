"""Punctual: what a schedule fires runs on its second, though storage hides a message for whole seconds only.

Its message is visible a little before its time, and whoever receives it then holds it in hand until the time is there.
"""

from __future__ import annotations

import asyncio
from typing import Final

from hub.life.context import LifeContext
from hub.life.permits import Later
from hub.model.event import Event

EARLY_SECONDS: Final = 2.5
"""So long before its time a scheduled event's message is visible: up to 1 s is lost to whole seconds, and 1 s to a
receive loop that is idle. Much less than a received message stays hidden, also with the shortest lease (5 s)."""
_MOST_WAITS: Final = 5
"""The time of day and the loop's time run apart by milliseconds: a wait may end just before its time."""


def early_seconds(event: Event) -> float:
    """How much earlier than its time the event's message is to be visible."""
    return EARLY_SECONDS if event.schedule is not None else 0.0


async def due_now(life: LifeContext, event: Event) -> None:
    """Return once the event's time has come, if that is soon and it is a schedule's; else raises `Later`."""
    if event.not_before is None:
        return
    for _ in range(_MOST_WAITS):
        wait = (event.not_before - life.clock.now()).total_seconds()
        if wait <= 0:
            return
        if event.schedule is None or wait > EARLY_SECONDS + 1:
            raise Later(max(0.0, wait - early_seconds(event)))
        await asyncio.sleep(wait)
    raise Later(0.1)
