"""What goes on for a while: a log as it grows, an event to its end, a list as it changes. Nothing kept here grows."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from nexo_cli import api, output
from nexo_cli.errors import Exit, NexoError

if TYPE_CHECKING:
    from nexo_cli.client import Hub

SOONEST_SECONDS: Final = 0.25
LATEST_SECONDS: Final = 2.0
PATIENCE_SECONDS: Final = 300.0
"""So long a hub that was there may be away."""
REMEMBERED: Final = 1000
FINAL: Final = ("SUCCESS", "WARNING", "ERROR")


def log_lines(hub: Hub, event_id: str, *, follow: bool) -> Iterator[api.LogLineView]:
    """The lines of a log, some thousand at a time. Followed: until the event has ended."""
    after, pause = 0, SOONEST_SECONDS
    while True:
        page = _patiently(hub, api.GET_EVENTS_ID_LOGS, event_id, {"after": after})
        yield from page["lines"]
        if page["lines"]:
            after, pause = page["lines"][-1]["seq"], SOONEST_SECONDS
            continue
        if page["complete"] or not follow:
            return
        output.flush()
        time.sleep(pause)
        pause = min(pause * 1.5, LATEST_SECONDS)


def until_ended(hub: Hub, event_id: str) -> api.EventView:
    """The event, once it has ended."""
    pause = SOONEST_SECONDS
    while True:
        event: api.EventView = _patiently(hub, api.GET_EVENTS_ID, event_id, {})
        if event["state"] in FINAL:
            return event
        time.sleep(pause)
        pause = min(pause * 1.5, LATEST_SECONDS)


def changes(hub: Hub, query: Mapping[str, Any], every: float) -> Iterator[api.EventLine]:
    """The newest events, and then each of them whenever it has changed."""
    seen: OrderedDict[str, str] = OrderedDict()
    while True:
        newest = list(hub.items(api.GET_EVENTS, {**query, "limit": 100}, most=100))
        for event in reversed(newest):
            told = f"{event['state']} {event['attempt']} {event['sink']}"
            if seen.get(event["id"]) != told:
                seen[event["id"]] = told
                yield event
        while len(seen) > REMEMBERED:
            seen.popitem(last=False)
        time.sleep(every)


def _patiently(hub: Hub, route: api.Route[Any], event_id: str, query: Mapping[str, Any]) -> Any:
    """What it answers; a hub that is away for a moment is asked again."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    pause = 1.0
    while True:
        try:
            return hub.call(route, query=query, id=event_id)
        except NexoError as error:
            if error.exit_code is not Exit.UNAVAILABLE or time.monotonic() > deadline:
                raise
            output.note(f"{error.message}: asking again in {pause:g} s")
            time.sleep(pause)
            pause = min(pause * 2, 30.0)
