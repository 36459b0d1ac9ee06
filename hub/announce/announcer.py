"""Announces changes off the hot path: noted in memory, told in batches, and nothing lost when the topic is away.

A final row says that it has not been announced, and stays open until it has: reconcile meets every open row, so what a
process forgets (it died, or the topic was away too long) is read off the row and told then. What listeners hear twice
has the same id.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from typing import Final

from hub.announce.port import MOST_AT_ONCE, Topic
from hub.batches import batches
from hub.errors import Changed, Missing, NexomaticError
from hub.model.event import Event
from hub.rules.announcing import Announcement, announcements
from hub.storage.events import EventRows, Stored

log = logging.getLogger(__name__)

BATCH: Final = 25
"""A final event brings three changes or so, and one call takes a hundred."""
GATHER_SECONDS: Final = 0.2
"""What happens meanwhile goes into the same call."""
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0
"""Between two tries while the topic is away."""
MOST_WAITING: Final = 10_000
"""So many changes wait in memory; what is above it is left to the rows, and to reconcile."""
REMEMBERED: Final = 10_000
"""Events of which this process knows how much it has told."""


class Announcer:
    """One per process. Its methods for what happens never wait."""

    def __init__(self, rows: EventRows, topic: Topic) -> None:
        self._rows = rows
        self._topic = topic
        self._waiting: deque[Announcement | str] = deque(maxlen=MOST_WAITING)
        """Changes to tell, and ids of events that are final: their rows are read when it is their turn."""
        self._noted: OrderedDict[str, int] = OrderedDict()
        """The number of the newest change that waits or was told, by event."""
        self._told: OrderedDict[str, int] = OrderedDict()
        """The number of the newest change told, by event."""
        self._telling: asyncio.Task[None] | None = None
        self._away = False

    # --- what happens

    def changed(self, event: Event) -> None:
        """The event was created or claimed: tell what has happened to it since it was last noted."""
        known = self._noted.get(event.id, -1)
        for each in announcements(event):
            if each.number > known:
                self._add(each)
                _remember(self._noted, each)

    def ended(self, event_id: str) -> None:
        """The event is final."""
        self._add(event_id)

    def _add(self, news: Announcement | str) -> None:
        self._waiting.append(news)
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell_all(), name="announce changes")

    # --- telling

    async def _tell_all(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        await asyncio.sleep(GATHER_SECONDS)
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            try:
                await self._tell(batch)
            except NexomaticError as error:
                self._note_failure(error)
                self._waiting.extendleft(reversed(batch))
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE_SECONDS, pause * 2)
            else:
                self._note_success()
                pause = FIRST_PAUSE_SECONDS

    async def _tell(self, batch: Sequence[Announcement | str]) -> None:
        changes = [each for each in batch if isinstance(each, Announcement)]
        ended = [await self._read(each) for each in batch if isinstance(each, str)]
        await self.settle([each for each in ended if each is not None], changes)

    async def settle(self, ended: Sequence[Stored], changes: Iterable[Announcement] = ()) -> None:
        """Tell these changes and what is not known to be told of these final events; then their rows say so.

        Raises `Unavailable`: then they are told again another time.
        """
        told = {each.id: each for each in changes}
        told |= {each.id: each for stored in ended for each in self._untold(stored.event)}
        await self._publish(list(told.values()))
        for stored in ended:
            await self._close(stored)

    async def _publish(self, told: Sequence[Announcement]) -> None:
        for some in batches(told, MOST_AT_ONCE):
            await self._topic.publish(some)
        for each in told:
            _remember(self._told, each)

    async def _read(self, event_id: str) -> Stored | None:
        try:
            stored = await self._rows.get(event_id)
        except Missing:
            return None
        return stored if stored.event.unannounced else None

    def _untold(self, event: Event) -> list[Announcement]:
        known = self._told.get(event.id, -1)
        return [each for each in announcements(event) if each.number > known]

    async def _close(self, stored: Stored) -> None:
        """Write that the event is announced; others may be writing the row meanwhile."""
        while True:
            try:
                await self._rows.announced(stored)
            except Missing:
                break
            except Changed:
                again = await self._read(stored.event.id)
                if again is None:
                    break
                stored = again
            else:
                break
        self._noted.pop(stored.event.id, None)
        self._told.pop(stored.event.id, None)

    def _note_failure(self, error: NexomaticError) -> None:
        if not self._away:
            log.warning("changes are not announced, and kept: %s", error)
        self._away = True

    def _note_success(self) -> None:
        if self._away:
            log.info("changes are announced again")
        self._away = False


def _remember(numbers: OrderedDict[str, int], change: Announcement) -> None:
    numbers[change.event_id] = max(change.number, numbers.get(change.event_id, -1))
    numbers.move_to_end(change.event_id)
    if len(numbers) > REMEMBERED:
        numbers.popitem(last=False)
