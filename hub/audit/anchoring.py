"""Anchors: once an hour the heads of all chains that are alive, written where nobody can change them.

A chain whose tail is removed, its head put back with it, holds by itself. That it went further is known by its anchors
alone.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime
from typing import Final

from hub.clock import Clock
from hub.errors import Exists
from hub.model.audit import PEOPLE, Anchor, AnchoredHead
from hub.storage.audit_rows import AuditRows
from hub.storage.ports import Anchors
from hub.storage.release_rows import Part, ReleaseRows, hour_of, time_of

log = logging.getLogger(__name__)

PARTS_A_READ: Final = 1000


class Anchoring:
    """Writes them. Any number of processes may: one that comes second in an hour finds it done."""

    def __init__(self, anchors: Anchors, people: AuditRows, releases: ReleaseRows, clock: Clock) -> None:
        self._anchors = anchors
        self._people = people
        self._releases = releases
        self._clock = clock
        self._done: int | None = None

    async def step(self) -> bool:
        """Whether an anchor was written. Costs nothing while this process knows that this hour has one."""
        now = self._clock.now()
        hour = hour_of(now)
        if self._done == hour:
            return False
        last = await self._people.anchored()
        if last != hour:
            await self._write(now, await self._heads(None if last is None else min(last, hour) - 1))
            await self._people.note_anchored(hour)
        self._done = hour
        return last != hour

    async def heads(self) -> list[AnchoredHead]:
        """How far every chain goes that is alive: all that the next anchor would say."""
        last = await self._people.anchored()
        return await self._heads(None if last is None else min(last, hour_of(self._clock.now())) - 1)

    async def _write(self, now: datetime, heads: list[AnchoredHead]) -> None:
        anchor = Anchor(at=now.replace(microsecond=0), heads=tuple(heads))
        # Exists: our own, whose answer was lost, or another process's of this very second.
        with suppress(Exists):
            await self._anchors.add(f"{now:%Y-%m-%dT%H%M%SZ}.json", anchor.model_dump_json(exclude_none=True).encode())
        log.info("the audit is anchored: %d chains", len(heads))

    async def _heads(self, since: int | None) -> list[AnchoredHead]:
        """Of the people's chain, and of those that have had a release since that hour, which may still be going on."""
        point = (await self._people.head()).point
        found = [AnchoredHead(chain=PEOPLE, seq=point.seq, hash=point.hash)] if point.seq else []
        seen: set[str] = set()
        for part in await self._parts(since):
            placed = None if part.chain in seen else await self._releases.newest(part)
            if placed is not None:
                seen.add(part.chain)
                link, at = placed.link, time_of(placed.key)
                found.append(AnchoredHead(chain=part.chain, seq=link.seq, hash=link.hash, at=at))
        return found

    async def _parts(self, since: int | None) -> list[Part]:
        """The newest first."""
        found: list[Part] = []
        while True:
            page = await self._releases.parts(after=found[-1].key if found else "", limit=PARTS_A_READ)
            found += page
            if len(page) < PARTS_A_READ or (since is not None and page[-1].hour < since):
                return [each for each in found if since is None or each.hour >= since]
