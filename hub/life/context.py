"""What every step in an event's life works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.clock import Clock
from hub.errors import NoRoom
from hub.evaluation import Evaluation
from hub.life.news import News
from hub.life.terms import Terms
from hub.model.configuration import EventType
from hub.model.snapshot import Snapshot
from hub.storage.contents import Contents
from hub.storage.events import EventRows
from hub.storage.log_rows import LogRows
from hub.storage.partition_index import PartitionIndex
from hub.storage.ports import Queues, Room


@dataclass(frozen=True, slots=True)
class LifeContext:
    """One per process: rows, queues, the clock, today's configuration, and who is told of news."""

    events: EventRows
    queues: Queues
    contents: Contents
    logs: LogRows
    partitions: PartitionIndex
    clock: Clock
    terms: Terms
    configuration: Callable[[], Awaitable[Snapshot]]
    """At most 5 s old."""
    newest: Callable[[], Awaitable[Snapshot]]
    """As it stands now, for one read: asked where what was taken back a moment ago must not run."""
    evaluator: Evaluation
    news: News
    randomness: Callable[[], int]
    """80 or more random bits at each call."""
    route: Callable[[EventType], str]
    """The queue for one more message of an EventType, which is counted: floods go to the overflow."""
    wake: Callable[[str], None]
    """Tells the receive loop of a queue in this process that something is there now."""
    room: Callable[[], Room]
    """Whether there is room for new events, as `Storage.room` says it."""
    cancelled: Callable[[str, str], None]
    """Tells the polls held in this process that this sink's event (sink, event id) was cancelled."""

    restarted: Callable[[str], None]
    """Tells the polls held in this process for this sink that nobody listens to them: it hands back after a restart."""

    def check_room(self) -> None:
        """See that something new may be stored. What follows from what is there need not ask. Raises `NoRoom`."""
        if not self.room().enough:
            raise NoRoom

    def now(self) -> datetime:
        """The time of day, cut to the milliseconds that storage keeps."""
        now = self.clock.now()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def margin(self) -> timedelta:
        return timedelta(seconds=self.terms.clock_margin_seconds)

    def fraction(self) -> float:
        """A random number from 0 to 1."""
        return (self.randomness() & 0xFFFFFFFF) / 2**32
