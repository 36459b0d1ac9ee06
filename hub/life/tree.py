"""The tree of an event: what its root led to, each event with what came of it.

No index is written for it. Every row names its parent and its follow-on, and an event has one follow-on at most, so
the way up and the way down cost a read for each event, and a chain is at most 34 events long.
"""

from __future__ import annotations

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
    above, whole_above = await _above(rows, asked)
    below, whole_below = await _below(rows, asked)
    return Tree(asked.root_id, [*above, asked, *below], whole_above and whole_below)


async def _above(rows: EventRows, event: Event) -> tuple[list[Event], bool]:
    """Its parents, the eldest first; and whether that is the root."""
    found: list[Event] = []
    parent_id = event.parent_id
    while parent_id is not None:
        parent = await _read(rows, parent_id)
        if parent is None:
            return found, False
        found.insert(0, parent)
        parent_id = parent.parent_id
    return found, True


async def _below(rows: EventRows, event: Event) -> tuple[list[Event], bool]:
    """What followed it, in order; and whether nothing is missing."""
    found: list[Event] = []
    follow_on = event.follow_on
    while follow_on is not None:
        following = await _read(rows, follow_on)
        if following is None:
            return found, False
        found.append(following)
        follow_on = following.follow_on
    return found, True


async def _read(rows: EventRows, event_id: str) -> Event | None:
    try:
        return (await rows.get(event_id)).event
    except Missing:
        return None
