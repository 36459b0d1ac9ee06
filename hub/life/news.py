"""What happens to events, told to those in this process who count it and who announce it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from hub.life.tally import Tally
from hub.model.event import Event
from hub.rules.lifecycle import Changes, Holding
from hub.storage.events import Stored


class Announces(Protocol):
    """Tells others of changes, some time after."""

    def changed(self, event: Event) -> None: ...

    def ended(self, event_id: str) -> None: ...

    async def settle(self, ended: Sequence[Stored]) -> None:
        """Announce these final events now. Raises `Unavailable`."""
        ...


class Traces(Protocol):
    """Is told what happens, for whoever collects traces."""

    def fired(self, event: Event) -> None: ...

    def claimed(self, before: Event, claimed: Event) -> None: ...

    def moved(self, held: Holding, changes: Changes) -> None: ...

    def event_moved(self, before: Event, changes: Changes) -> None: ...


class News:
    """Called where a change has just been written. None of it waits, but for `settle`."""

    def __init__(
        self,
        tally: Tally,
        announcer: Announces | None = None,
        ended: Callable[[str], None] = lambda _: None,
        changed: Callable[[str], None] = lambda _: None,
        logged: Callable[[str], None] = lambda _: None,
        traces: Traces | None = None,
    ) -> None:
        """`ended` tells those who wait in this process for the end of an event, by its id.

        `changed` and `logged` tell those who watch events.
        """
        self.tally = tally
        self._announcer = announcer
        self._traces = traces
        self._tell_end = ended
        self._tell_change = changed
        self.logged = logged
        """There is more of an event's log, by its id."""

    @property
    def announcing(self) -> bool:
        """Whether anybody listens."""
        return self._announcer is not None

    def fired(self, event: Event) -> None:
        """An event was created."""
        self.tally.fired(event)
        if self._traces is not None:
            self._traces.fired(event)
        self._tell_change(event.id)
        if self._announcer is not None:
            self._announcer.changed(event)

    def claimed(self, before: Event, claimed: Event) -> None:
        """An event was claimed."""
        self.tally.claimed(before, claimed.attempts[-1].started_at)
        if self._traces is not None:
            self._traces.claimed(before, claimed)
        self._tell_change(claimed.id)
        if self._announcer is not None:
            self._announcer.changed(claimed)

    def moved(self, held: Holding, changes: Changes) -> None:
        """A move was written by who holds the event's lease, and has not read its row."""
        self.tally.moved(held.event_type, held.sink, changes, held.claimed_at)
        if self._traces is not None:
            self._traces.moved(held, changes)
        self._ended(held.event_id, changes)

    def event_moved(self, before: Event, changes: Changes) -> None:
        """A move was written by who has read the row."""
        self.tally.event_moved(before, changes)
        if self._traces is not None:
            self._traces.event_moved(before, changes)
        self._ended(before.id, changes)

    def _ended(self, event_id: str, changes: Changes) -> None:
        self._tell_change(event_id)
        if "state" not in changes or not changes["state"].final:
            return
        self._tell_end(event_id)
        if self._announcer is not None:
            self._announcer.ended(event_id)

    async def settle(self, ended: Sequence[Stored]) -> None:
        """Announce these final events now, if anybody listens. Raises `Unavailable`."""
        if self._announcer is not None:
            await self._announcer.settle(ended)
