"""The format in force: what it is, and raising it once no older release runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hub.clock import Clock
from hub.rules.formats import Level
from hub.storage import codec
from hub.storage.configuration import Configuration, Edit, Write


class Formats:
    """Raises what reading and writing the configuration raises."""

    def __init__(self, newest: Callable[[], Awaitable[Configuration]], write: Write, clock: Clock) -> None:
        self._newest = newest
        self._write = write
        self._clock = clock

    async def level(self) -> Level:
        """As it stands now."""
        return (await self._newest()).at.level

    async def finalise(self, by: str) -> bool:
        """From now on write what this release writes; False: that is so already.

        Only over the version that was read, so that it may be asked for by many and again. In force here when this
        returns, in others when they next read the configuration: until then they write what is read by all.
        """
        raised = False

        def decide(seen: Configuration) -> Edit:
            nonlocal raised
            raised = seen.at.level.number < codec.FORMAT
            return Edit(level=Level(codec.FORMAT, by, self._clock.now()) if raised else None)

        await self._write(decide)
        await self._newest()
        return raised
