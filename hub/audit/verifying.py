"""Verifying: goes along every chain from its beginning, then along every anchor, and says where the first break is.

Long audits are verified in several calls: each looks at a bounded number of rows, and says where the next goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from hub.audit.anchoring import Anchoring
from hub.batches import batches
from hub.clock import Clock
from hub.errors import Missing
from hub.model.audit import ANCHOR_FORMAT, PEOPLE, Anchor, AnchoredHead
from hub.rules import audit_chain
from hub.rules.audit_chain import GENESIS, START, Break, Link, Point
from hub.storage.audit_rows import AuditRows, partition_of
from hub.storage.ports import Anchors
from hub.storage.release_rows import Part, ReleaseRows

MOST_ROWS: Final = 20_000
MOST_SECONDS: Final = 5.0
A_READ: Final = 1000
PARTS_A_READ: Final = 100
ANCHORS_AT_ONCE: Final = 16
MOST_RESTORED: Final = 4
"""Restores that a cursor remembers, the newest."""


class Restored(BaseModel):
    """A backup was put back: what the entry of it says. In seconds since 1970."""

    model_config = ConfigDict(frozen=True)

    seq: int
    taken: int
    at: int


class Walk(BaseModel):
    """How far a verification has come. What its cursor holds."""

    model_config = ConfigDict(frozen=True)

    stage: str = "people"
    """Then `releases`, then `anchors`, then `over`."""
    seq: int = START.seq
    hash: str = START.hash
    after: str = ""
    entries: int = 0
    """That were looked at and hold."""
    anchors: int = 0
    """That were read."""
    met: int = 0
    """Heads in them that were found as they said."""
    unreadable: int = 0
    """Anchors that cannot be read: cut off when a process died, or altered."""
    restored: tuple[Restored, ...] = ()
    """The newest that were met on the way along the people's chain."""

    def on(self, **changes: object) -> Walk:
        return self.model_copy(update=changes)


@dataclass(slots=True)
class _Call:
    """One call: what is left of its bounds, and what it has found."""

    ends_at: float
    now: Callable[[], float]
    rows: int = 0
    breaks: list[Break] = field(default_factory=list)

    def is_over(self) -> bool:
        return self.rows >= MOST_ROWS or self.now() >= self.ends_at


@dataclass(frozen=True, slots=True)
class Verified:
    """What one call has come to. Over when `walk.stage` is."""

    walk: Walk
    breaks: list[Break]
    """Found in this call: of each chain, or part of one, the first; none: all that was looked at holds."""
    heads: list[AnchoredHead]


class Verifying:
    """Verifies. Reads only."""

    def __init__(
        self, anchors: Anchors, people: AuditRows, releases: ReleaseRows, anchoring: Anchoring, clock: Clock
    ) -> None:
        self._anchors = anchors
        self._people = people
        self._releases = releases
        self._anchoring = anchoring
        self._clock = clock

    async def step(self, walk: Walk) -> Verified:
        """Go on. Raises `Unavailable`."""
        call = _Call(self._clock.monotonic() + MOST_SECONDS, self._clock.monotonic)
        stages = {"people": self._of_people, "releases": self._of_releases, "anchors": self._of_anchors}
        while walk.stage in stages:
            before = walk
            walk = await stages[walk.stage](walk, call)
            if walk.stage == before.stage or (call.is_over() and walk.stage != "over"):
                break
        return Verified(walk, call.breaks, await self._anchoring.heads())

    async def _of_people(self, walk: Walk, call: _Call) -> Walk:
        reached = Point(walk.seq, walk.hash)
        broken = None
        while not call.is_over():
            links = await self._next_of_people(reached.seq + 1)
            call.rows += len(links) or 1
            if not links:
                # Read behind the entries: what was added meanwhile is in both, or in neither.
                head = (await self._people.head()).point
                if head.seq > reached.seq and await self._next_of_people(reached.seq + 1):
                    continue
                broken = audit_chain.ends(PEOPLE, reached, head)
                break
            after, broken = audit_chain.follow(PEOPLE, reached, links)
            restored = audit_chain.restores(each for each in links if each.seq <= after.seq)
            walk = walk.on(restored=(*walk.restored, *(Restored(**each) for each in restored))[-MOST_RESTORED:])
            walk = walk.on(entries=walk.entries + after.seq - reached.seq, seq=after.seq, hash=after.hash)
            reached = after
            if broken is not None:
                break
        else:
            return walk
        call.breaks += [broken] if broken is not None else []
        return walk.on(stage="releases", seq=0, hash="")

    async def _next_of_people(self, seq: int) -> list[Link]:
        """The entries from this place to the end of its partition, the oldest first.

        If they are missing, those of the next one: who took a whole partition out has not taken the end.
        """
        for number in (partition_of(seq), partition_of(seq) + 1):
            links = [each for each in await self._people.page(number) if each.seq >= seq]
            if links:
                return links[::-1]
        return []

    async def _of_releases(self, walk: Walk, call: _Call) -> Walk:
        while not call.is_over():
            parts = await self._releases.parts(after=walk.after, limit=PARTS_A_READ)
            if not parts:
                return walk.on(stage="anchors", after="")
            for part in parts:
                number, broken = await self._part(part, call)
                call.breaks += [broken] if broken is not None else []
                walk = walk.on(entries=walk.entries + number, after=part.key)
                if call.is_over():
                    break
        return walk

    async def _part(self, part: Part, call: _Call) -> tuple[int, Break | None]:
        """One hour of a chain, read from its end: how many entries hold, and what is wrong."""
        number, newer, after = 0, None, ""
        while True:
            page = await self._releases.page(part, after=after, limit=A_READ)
            call.rows += len(page) or 1
            links = [each.link for each in page][::-1]
            if links:
                first = links[0]
                reached, broken = audit_chain.follow(part.chain, Point(first.seq - 1, first.previous), links)
                if broken is None and newer is not None:
                    broken = audit_chain.joins(part.chain, links[-1], newer)
                if broken is not None:
                    return number, broken
                number += reached.seq - first.seq + 1
                newer, after = first, page[-1].key
            if len(page) < A_READ:
                return number, None if newer is None else await self._begins(part, newer, call)

    async def _begins(self, part: Part, first: Link, call: _Call) -> Break | None:
        """Whether the first entry of an hour follows the last one of the hour that it names."""
        follows = audit_chain.decode(first.body).follows
        if follows is None:
            if (first.seq, first.previous) == (START.seq + 1, GENESIS):
                return None
            return Break(part.chain, first.seq, "the entry is not the first one, and names none before it")
        call.rows += 1
        before = await self._releases.newest(Part(follows, part.chain))
        if before is None:
            return Break(part.chain, first.seq - 1, "the entry is missing, and the others of its hour")
        return audit_chain.joins(part.chain, before.link, first)

    async def _of_anchors(self, walk: Walk, call: _Call) -> Walk:
        names = [each for each in await self._anchors.names() if each > walk.after]
        for some in batches(names, ANCHORS_AT_ONCE):
            anchors = await asyncio.gather(*(self._anchor(each) for each in some))
            for anchor in anchors:
                walk = await self._meet(anchor, walk, call)
            walk = walk.on(after=some[-1])
            if call.is_over():
                return walk
        return walk.on(stage="over", after="")

    async def _anchor(self, name: str) -> Anchor | None:
        try:
            anchor = Anchor.model_validate_json(await self._anchors.get(name))
        except (Missing, ValidationError):
            return None
        return anchor if anchor.format == ANCHOR_FORMAT else None

    async def _meet(self, anchor: Anchor | None, walk: Walk, call: _Call) -> Walk:
        """Whether what it saw is still there."""
        call.rows += 1
        if anchor is None:
            return walk.on(unreadable=walk.unreadable + 1)
        met = 0
        for head in anchor.heads:
            call.rows += 1
            broken = audit_chain.anchored(
                head.chain, Point(head.seq, head.hash), await self._seen(head), f"{anchor.at:%Y-%m-%dT%H:%M:%SZ}"
            )
            if broken is None:
                met += 1
            elif not any(each.chain == head.chain for each in call.breaks):
                call.breaks.append(_explained(broken, anchor, walk))
        return walk.on(anchors=walk.anchors + 1, met=walk.met + met)

    async def _seen(self, head: AnchoredHead) -> Link | None:
        if head.chain == PEOPLE:
            return await self._people.get(head.seq)
        return None if head.at is None else await self._releases.get(head.chain, head.at, head.seq)


def _explained(broken: Break, anchor: Anchor, walk: Walk) -> Break:
    """The same, with what the chain itself says of it: it stays a break, for whoever can write can write that too."""
    at = anchor.at.timestamp()
    for each in walk.restored:
        if each.taken <= at <= each.at:
            said = f"entry {each.seq} says that a backup of {_moment(each.taken)} was restored at {_moment(each.at)}"
            return replace(broken, what=f"{broken.what}; {said}")
    return broken


def _moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
