"""The tree of an event: what its root led to, each event with what came of it.

No index is written for it. Every row names its parent and its follow-on, and an event has one follow-on at most, so
the way up and the way down cost a read for each event, and a chain is at most 34 events long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hub.errors import Missing, NotFound
from hub.model.event import Event
from hub.storage.events import EventRows


@dataclass(frozen=True, slots=True)
class Tree:
    """Events of one root, parents before their follow-ons."""

    root_id: str
    events: list[Event]
    complete: bool
    """False: retention has taken some of them, or one that is owed is not made yet."""


async def tree(rows: EventRows, event_id: str) -> Tree:
    """The whole tree to which the event belongs. Raises `NotFound`."""
    asked = await _read(rows, event_id)
    if asked is None:
        raise NotFound(f"there is no event {event_id}")
    above, whole_above = await _along(rows, asked.parent_id, lambda event: event.parent_id)
    below, whole_below = await _along(rows, asked.follow_on, lambda event: event.follow_on)
    return Tree(asked.root_id, [*reversed(above), asked, *below], whole_above and whole_below)


async def _along(
    rows: EventRows, event_id: str | None, following: Callable[[Event], str | None]
) -> tuple[list[Event], bool]:
    """The chain from this event on, in the order in which it is followed; and whether nothing is missing."""
    found: list[Event] = []
    while event_id is not None:
        event = await _read(rows, event_id)
        if event is None:
            return found, False
        found.append(event)
        event_id = following(event)
    return found, True


async def _read(rows: EventRows, event_id: str) -> Event | None:
    try:
        return (await rows.get(event_id)).event
    except Missing:
        return None
