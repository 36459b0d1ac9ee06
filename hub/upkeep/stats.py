"""Statistics: each process writes down what it counted, a row for every minute in which something happened.

A crash loses at most that minute of statistics, and never an event. Once an hour is over, the timer rolls its minutes
into one row.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from hub.clock import Clock
from hub.errors import Changed, Exists, Missing, Unavailable
from hub.life.tally import MINUTE_SECONDS, Tally
from hub.model.stats import Stats
from hub.storage.stats_rows import StatsRows, Stretch, days

log = logging.getLogger(__name__)

ROLLED_AFTER: Final = timedelta(minutes=10)
"""By then every process has written the last minute of an hour, unless storage kept it waiting: then that is added."""
MOST_DAYS: Final = 92


class StatsBook:
    """Writes this process's statistics, and reads everybody's."""

    def __init__(self, rows: StatsRows, tally: Tally, clock: Clock) -> None:
        self._rows = rows
        self._tally = tally
        self._clock = clock
        self.process = ""
        """Names this process among those that run at the same time."""
        self._writing: asyncio.Task[None] | None = None
        self._rolled_until: datetime | None = None

    def start(self, process: str) -> None:
        """From now on each minute is written down once it is over. Idle minutes cost nothing.

        `process` names this one among those that write at the same time.
        """
        self.process = process
        self._tally.begun = self._begun

    def _begun(self) -> None:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._keep_writing(), name="write statistics")

    async def _keep_writing(self) -> None:
        while self._tally.counting:
            seconds = self._clock.now().timestamp()
            await asyncio.sleep(MINUTE_SECONDS - seconds % MINUTE_SECONDS + 0.01)
            await self.write()

    async def write(self) -> None:
        """Write down the minutes that are over. What storage does not take is kept for the next try."""
        taken = self._tally.take()
        left = dict(taken)
        try:
            for minute, stats in taken.items():
                await self._rows.write(minute, self.process, stats)
                del left[minute]
        except Unavailable as error:
            log.warning("statistics were not written, and are kept: %s", error)
        finally:
            self._tally.give_back(left)

    async def roll(self) -> None:
        """Roll the hours that are over. Any number of processes may do it at once."""
        now = self._clock.now()
        hour = (now - ROLLED_AFTER).replace(minute=0, second=0, microsecond=0)
        if self._rolled_until == hour:
            return
        with suppress(Changed, Exists, Missing):  # another process is at it
            for day in (hour - timedelta(days=1), hour):
                await self._rows.roll(day, before=hour)
            self._rolled_until = hour

    async def read(self, begin: datetime, end: datetime) -> list[Stretch]:
        """What was counted from `begin` on and before `end`, by minutes and hours as they are stored, oldest first.

        An hour counts as a whole when it began in that time.
        """
        found = [each for day in days(begin, end) for each in await self._rows.read(day)]
        return sorted((each for each in found if begin <= each.begin < end), key=lambda each: each.begin)


def in_steps(stretches: list[Stretch], step: timedelta, begin: datetime) -> dict[datetime, list[Stats]]:
    """The stretches by the step in which they began; steps in which nothing happened are left out."""
    steps: dict[datetime, list[Stats]] = {}
    for each in stretches:
        steps.setdefault(begin + (each.begin - begin) // step * step, []).append(each.stats)
    return steps
