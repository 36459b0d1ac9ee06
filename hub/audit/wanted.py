"""What somebody looks for in the audit, and what a list of it answers. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hub.model.audit import AuditEntry, Result
from hub.rules import audit_chain
from hub.rules.audit_chain import Link

CLOCKS_APART: Final = timedelta(hours=1)
"""Entries lie in the order in which they were added, and their times are those of several hubs' clocks: so far they
are taken to be out of order."""
UNREADABLE: Final = "(unreadable)"


@dataclass(frozen=True, slots=True)
class Wanted:
    """All that is given must hold. Names in any case."""

    actor: str | None = None
    action: str | None = None
    resource: str | None = None
    """Itself, or what lies below it: `actions` is every action. Also what an import changed."""
    result: Result | None = None
    begin: datetime | None = None
    end: datetime | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing is asked for in particular."""
        return self == Wanted()

    def fits(self, entry: AuditEntry) -> bool:
        """Whether it is one of those."""
        return (
            _same(self.actor, entry.actor)
            and _same(self.action, entry.action)
            and (self.result is None or entry.result is self.result)
            and (self.begin is None or entry.at >= self.begin)
            and (self.end is None or entry.at < self.end)
            and _within(self.resource, [entry.resource, *(each.resource for each in entry.changes)])
        )

    def is_over(self, entry: AuditEntry) -> bool:
        """Whether nothing that lies behind this one can be wanted."""
        return self.begin is not None and entry.at < self.begin - CLOCKS_APART


@dataclass(frozen=True, slots=True)
class Told:
    """An entry, and its hash."""

    entry: AuditEntry
    hash: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """What was found, the newest first, and where to go on; None: there is nothing older."""

    items: list[Told]
    reached: str | None = None
    searched_to: datetime | None = None


def read(chain: str, link: Link, near: datetime) -> Told:
    """The entry. One that cannot be read is told as such, and not left out: somebody has altered it."""
    try:
        entry = audit_chain.decode(link.body)
    except ValueError:
        entry = AuditEntry(
            chain=chain,
            seq=link.seq,
            id="",
            at=near,
            action=UNREADABLE,
            resource="",
            result=Result.UNKNOWN,
            reason="this entry is not as it was written: verify the audit",
        )
    return Told(entry, link.hash)


def _same(wanted: str | None, found: str | None) -> bool:
    return wanted is None or (found is not None and found.casefold() == wanted.casefold())


def _within(wanted: str | None, found: Iterable[str]) -> bool:
    if wanted is None:
        return True
    whole = wanted.casefold()
    return any(f"{each.casefold()}/".startswith(f"{whole}/") for each in found)
