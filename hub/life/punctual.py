"""Punctual: what a schedule fires runs on its second, though storage hides a message for whole seconds only.

Its message is visible a little before its time, and whoever receives it then keeps it in hand until the time is there.
"""

from __future__ import annotations

from typing import Final

from hub.life.context import LifeContext
from hub.life.permits import Later
from hub.model.event import Event

EARLY_SECONDS: Final = 2.5
"""So long before its time a scheduled event's message is visible: up to 1 s is lost to whole seconds, and 1 s to a
receive loop that is idle. Much less than a received message stays hidden, also with the shortest lease (5 s)."""


class Early(Exception):
    """It is due in so many seconds, to the point: its message is kept in hand, and followed again then."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not for {seconds:g} s")
        self.seconds = seconds


def early_seconds(event: Event) -> float:
    """How much earlier than its time the event's message is to be visible."""
    return EARLY_SECONDS if event.schedule is not None else 0.0


def check_due(life: LifeContext, event: Event) -> None:
    """Return if the event's time has come. Raises `Early` when a schedule's event is nearly due, else `Later`."""
    if event.not_before is None:
        return
    wait = (event.not_before - life.clock.now()).total_seconds()
    if wait > 0:
        soon = event.schedule is not None and wait <= EARLY_SECONDS + 1
        raise Early(wait) if soon else Later(wait - early_seconds(event))
