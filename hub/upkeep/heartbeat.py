"""The timer's heartbeat: one row, written when a step of the timer has ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from hub.clock import Clock
from hub.errors import Missing
from hub.storage import codec
from hub.storage.keys import UPKEEP
from hub.storage.ports import Tables

LATE: Final = timedelta(minutes=3)
"""A heartbeat this old: the timer has stopped."""
_PARTITION, _KEY = "heartbeat", "tick"


class Heartbeat:
    """As this process sees it."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock
        self._began = clock.now()

    async def beat(self) -> None:
        """A step has ended. One operation."""
        at = codec.text_of_time(self._clock.now())
        await self._tables.put(UPKEEP, _PARTITION, _KEY, {"format": codec.written(), "at": at})

    async def last(self) -> datetime | None:
        """When the last step ended, in whatever process; None before the first. One operation."""
        try:
            row = await self._tables.get(UPKEEP, _PARTITION, _KEY)
        except Missing:
            return None
        codec.check_format_if_numbered(UPKEEP, row.values)
        return codec.time_of_text(str(row.values["at"]))

    def is_late(self, last: datetime | None) -> bool:
        """Whether the timer has stopped. One that has never run yet is given as long, from the start of the process.

        Ahead of now is late too: the clock was set back.
        """
        return abs(self._clock.now() - (last or self._began)) > LATE
