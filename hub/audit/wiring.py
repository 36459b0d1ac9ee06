"""The audit, wired over one storage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hub.audit.anchoring import Anchoring
from hub.audit.chain import PeopleChain
from hub.audit.people_list import PeopleList
from hub.audit.release_list import ReleaseList
from hub.audit.releases import Releases
from hub.audit.trail import Trail
from hub.audit.unfinished import Unfinished
from hub.audit.verifying import Verifying
from hub.clock import Clock
from hub.storage.audit_rows import AuditRows
from hub.storage.ports import Storage
from hub.storage.release_rows import ReleaseRows


@dataclass(frozen=True, slots=True)
class Audit:
    """What records, and what reads."""

    trail: Trail
    people: PeopleList
    releases: Releases
    release_list: ReleaseList
    unfinished: Unfinished
    anchoring: Anchoring
    verifying: Verifying

    async def step(self) -> None:
        """The timer's share of work."""
        await self.unfinished.step()
        await self.anchoring.step()


def build_audit(
    storage: Storage, clock: Clock, randomness: Callable[[], int], status_of: Callable[[BaseException], int]
) -> Audit:
    """`status_of` says how an error is answered."""
    rows, release_rows = AuditRows(storage.tables), ReleaseRows(storage.tables)
    chain = PeopleChain(rows)
    anchoring = Anchoring(storage.anchors, rows, release_rows, clock)
    return Audit(
        trail=Trail(rows, chain, clock, randomness, status_of),
        people=PeopleList(rows, clock),
        releases=Releases(release_rows, clock, randomness),
        release_list=ReleaseList(release_rows, clock),
        unfinished=Unfinished(rows, chain, clock),
        anchoring=anchoring,
        verifying=Verifying(storage.anchors, rows, release_rows, anchoring, clock),
    )
