"""The copy of the configuration that each process keeps, so that running an event costs no read of it.

It is revalidated by one read of the version row, at most every 5 s and only when somebody asks: a change, a pause or
a revocation is in force everywhere within 5 s.
"""

from __future__ import annotations

import asyncio
from typing import Final

from hub.clock import Clock
from hub.errors import NotReady, Unavailable
from hub.model.snapshot import Snapshot
from hub.rules import formats
from hub.storage import codec
from hub.storage.configuration import Configuration, ConfigurationRows, Credentials, Version
from hub.storage.ports import Tables

FRESH_SECONDS: Final = 5.0
NEWS_SECONDS: Final = 0.2
"""Between two reads because of something unknown: who tries out names cannot make the hub read without end."""
WORTH_A_READ: Final = 50
"""So many rows are read together at what one costs by itself."""
_TRIES: Final = 10
_NEVER: Final = float("-inf")


class ConfigurationCopy:
    """One per process. Every method raises `Unavailable` when the copy is too old and storage does not answer."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._rows = ConfigurationRows(tables)
        self._clock = clock
        self._kept: Configuration | None = None
        self._read_at = _NEVER
        self._lock = asyncio.Lock()
        self._invalidated = 0

    async def begin(self) -> None:
        """Learn in which format to write, before anything is written. One operation.

        Raises `NotReady` if this release is not the one for this database.
        """
        _heed(await self._rows.version())

    async def current(self) -> Snapshot:
        """What runs today, at most 5 s old."""
        return (await self.configuration()).snapshot

    async def credentials(self) -> Credentials:
        """What callers can prove themselves with, at most 5 s old."""
        return (await self.configuration()).credentials

    async def configuration(self) -> Configuration:
        """Everything, at most 5 s old."""
        return await self._read_since(self._clock.monotonic() - FRESH_SECONDS)

    async def news(self) -> Configuration:
        """Everything as it stands now: asked when a name, a key or a token is unknown.

        It may have been made a moment ago through another process. Waits up to 0.2 s, and all who wait share one read.
        """
        asked = self._clock.monotonic()
        await asyncio.sleep(max(0.0, self._read_at + NEWS_SECONDS - asked))
        return await self._read_since(asked)

    async def newest(self) -> Configuration:
        """Everything as it stands now, without waiting: for writers, who must see what they change."""
        return await self._read_since(self._clock.monotonic())

    async def newest_snapshot(self) -> Snapshot:
        """What runs as it stands now: asked where what was taken back a moment ago must not run."""
        return (await self.newest()).snapshot

    def invalidate(self) -> None:
        """This process has changed the configuration: whoever asks next sees that."""
        self._invalidated += 1
        self._read_at = _NEVER

    async def _read_since(self, moment: float) -> Configuration:
        """The copy, if a read that began after `moment` made or confirmed it; else a new one."""
        if self._kept is not None and self._read_at > moment:
            return self._kept
        # One at a time. A lock rather than a shared task: who is cancelled while reading lets the next one read.
        async with self._lock:
            if self._kept is not None and self._read_at > moment:
                return self._kept
            return await self._read()

    async def _read(self) -> Configuration:
        began, invalidated = self._clock.monotonic(), self._invalidated
        found = await self._changed(self._kept)
        self._kept = found
        if invalidated == self._invalidated:  # else it began before a change of our own, and may not show it
            self._read_at = began
        return found

    async def _changed(self, kept: Configuration | None) -> Configuration:
        at = _heed(await self._rows.version())
        for _ in range(_TRIES):
            if kept is not None and kept.version == at.text:
                return kept
            found = await self._load(kept, at)
            if found.version == at.text:
                return found
            at = _heed(found.at)  # somebody wrote while the rows were read: they may be of two versions
        raise Unavailable("the configuration changes faster than it can be read; try again later")

    async def _load(self, kept: Configuration | None, at: Version) -> Configuration:
        touched = at.since(kept.version) if kept else None
        if kept is not None and touched is not None and len(touched) * WORTH_A_READ < len(kept.entries):
            return await self._rows.reload(kept, touched)
        return await self._rows.load(kept.entries if kept else {})


def _heed(at: Version) -> Version:
    """Write in the format that is in force. Raises `NotReady` if this release must not serve at that level."""
    why = formats.refusal(at.level.number, codec.FORMAT)
    if why is not None:
        raise NotReady({"FORMAT": why})
    codec.write_as(at.level.number)
    return at
