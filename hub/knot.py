"""The knot: life tells the dispatcher and those who wait of news, and they work through life."""

from __future__ import annotations

from dataclasses import dataclass

from hub.dispatch.dispatcher import Dispatcher
from hub.dispatch.poll import Polls
from hub.life.waits import Waits
from hub.life.watchers import Watchers


@dataclass(slots=True)
class Knot:
    """Tied by `wiring.py` once both ends are there; until then nobody is told."""

    dispatcher: Dispatcher | None = None
    polls: Polls | None = None
    waits: Waits | None = None
    watchers: Watchers | None = None

    def changed(self, event_id: str) -> None:
        if self.watchers is not None:
            self.watchers.changed(event_id)

    def logged(self, event_id: str) -> None:
        if self.watchers is not None:
            self.watchers.logged(event_id)

    def ended(self, event_id: str) -> None:
        if self.waits is not None:
            self.waits.ended(event_id)

    def wake(self, queue: str) -> None:
        if self.polls is not None:
            self.polls.event_seen()
        if self.dispatcher is not None:
            self.dispatcher.wake(queue)

    def cancelled(self, sink: str, event_id: str) -> None:
        if self.dispatcher is not None:
            self.dispatcher.cancelled(sink, event_id)

    def restarted(self, sink: str) -> None:
        if self.dispatcher is not None:
            self.dispatcher.restarted(sink)
