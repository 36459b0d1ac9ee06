"""Secret releases of all processes as one list, the newest first: who got this version of this secret."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from hub.audit.people_list import MOST_ROWS, MOST_SECONDS
from hub.audit.wanted import CLOCKS_APART, AuditPage, Told, Wanted, read
from hub.clock import Clock
from hub.model.audit import AuditEntry
from hub.storage.release_rows import Part, Placed, ReleaseRows, begin_of, first_key_of, hour_of

PARTS_A_READ: Final = 1000
ROWS_A_READ: Final = 200


@dataclass(frozen=True, slots=True)
class WantedRelease:
    """All that is given must hold."""

    entry: Wanted
    secret: str | None = None
    """In any case."""
    version: str | None = None

    def fits(self, entry: AuditEntry) -> bool:
        """Whether it is one of those."""
        given = self.secret is None or any(
            each.name.casefold() == self.secret.casefold() and self.version in (None, each.version)
            for each in entry.secrets
        )
        return given and self.entry.fits(entry)


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """Where a list has come to. Orders as the list does within an hour."""

    key: str
    chain: str
    hour: int

    @property
    def text(self) -> str:
        return f"{self.hour} {self.key} {self.chain}"

    @classmethod
    def of(cls, text: str) -> _Place:
        hour, key, chain = text.split(" ")
        return cls(key, chain, int(hour))


@dataclass(slots=True)
class _Stream:
    """One part, read as far as needed."""

    rows: ReleaseRows
    part: Part
    begin: _Place | None
    """Only what lies behind it is wanted."""
    after: str
    read: list[Placed] = field(default_factory=list)
    over: bool = False

    async def fill(self) -> int:
        """See that the next entry is known, if there is one; how many rows that took."""
        seen = 0
        while not self.read and not self.over:
            page = await self.rows.page(self.part, after=self.after, limit=ROWS_A_READ)
            seen += len(page) or 1
            self.over = len(page) < ROWS_A_READ
            self.after = page[-1].key if page else self.after
            self.read = [each for each in page if self.begin is None or self.place(each) > self.begin]
        return seen

    def place(self, placed: Placed) -> _Place:
        return _Place(placed.key, self.part.chain, self.part.hour)

    @property
    def next(self) -> _Place:
        return self.place(self.read[0])


class ReleaseList:
    """Reads the chains."""

    def __init__(self, rows: ReleaseRows, clock: Clock) -> None:
        self._rows = rows
        self._clock = clock

    async def page(self, wanted: WantedRelease, *, after: str | None, limit: int) -> AuditPage:
        """At most `limit` releases behind the place `after`. Raises `Unavailable`."""
        ends_at = self._clock.monotonic() + MOST_SECONDS
        place = _Place.of(after) if after else None
        found: list[Told] = []
        seen = 0
        async for hour, parts in self._hours(wanted.entry, place):
            if wanted.entry.begin is not None and begin_of(hour + 1) < wanted.entry.begin - CLOCKS_APART:
                break
            streams = [self._stream(part, place) for part in parts]
            while True:
                seen += sum(await asyncio.gather(*(each.fill() for each in streams)))
                left = [each for each in streams if each.read]
                if not left:
                    break
                stream = min(left, key=lambda each: each.next)
                place = stream.next
                told = read(stream.part.chain, stream.read.pop(0).link, begin_of(hour))
                if wanted.fits(told.entry):
                    found.append(told)
                if len(found) == limit or seen >= MOST_ROWS or self._clock.monotonic() >= ends_at:
                    return AuditPage(found, place.text, told.entry.at)
        return AuditPage(found)

    def _stream(self, part: Part, place: _Place | None) -> _Stream:
        if place is None or place.hour != part.hour:
            return _Stream(self._rows, part, None, "")
        # A little before the place, whose key another chain may have too: what was told is left out.
        return _Stream(self._rows, part, place, place.key[:-1])

    async def _hours(self, wanted: Wanted, place: _Place | None) -> AsyncIterator[tuple[int, list[Part]]]:
        """The hours that have releases, the newest first, each with its parts."""
        last = place.hour if place else hour_of(wanted.end + CLOCKS_APART) if wanted.end else None
        after = "" if last is None else first_key_of(last)
        kept: list[Part] = []
        while True:
            page = await self._rows.parts(after=after, limit=PARTS_A_READ)
            hours = [list(parts) for _, parts in groupby([*kept, *page], key=lambda each: each.hour)]
            more = len(page) == PARTS_A_READ
            for parts in hours[:-1] if more else hours:
                yield parts[0].hour, parts
            if not more:
                return
            kept, after = hours[-1], page[-1].key  # it may go on in the next page
