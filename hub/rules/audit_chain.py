"""The hash chain of the audit: how an entry is written, what its hash is, and where a chain is broken. Pure.

The hash of an entry covers its bytes as they are stored and the hash of the entry before, so that nothing can be
altered, put in or taken out without every later hash being another. What is taken off the end shows by the head, and
by the anchors, which said earlier how far the chain went.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hub.model.audit import RESTORE, RESTORED_FROM, AuditEntry

GENESIS: Final = "0" * 64
"""What comes before the first entry."""


@dataclass(frozen=True, slots=True)
class Point:
    """How far a chain goes, or was seen to go."""

    seq: int
    hash: str


START: Final = Point(0, GENESIS)
_RESTORE: Final = RESTORE.encode()


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as it is stored: `seq` is what its address says."""

    seq: int
    previous: str
    hash: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain does not hold: the first entry that is not as it was written."""

    chain: str
    seq: int
    what: str


def encode(entry: AuditEntry) -> bytes:
    """The entry in its one form: JSON in ASCII, keys sorted, without what is empty."""
    fields = entry.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def decode(body: bytes) -> AuditEntry:
    """Raises ValueError."""
    return AuditEntry.model_validate_json(body)


def hash_of(previous: str, body: bytes) -> str:
    """SHA-256, hexadecimal, over the hash of the entry before, a line feed, and the entry."""
    return hashlib.sha256(previous.encode("ascii", "replace") + b"\n" + body).hexdigest()


def link(entry: AuditEntry, before: Point) -> Link:
    """The entry as it follows that point."""
    body = encode(entry)
    return Link(entry.seq, before.hash, hash_of(before.hash, body), body)


def follow(chain: str, before: Point, links: Iterable[Link]) -> tuple[Point, Break | None]:
    """Go along these entries, the oldest first: how far they hold, and what is wrong with the next one."""
    for each in links:
        what = _wrong(chain, before, each)
        if what is not None:
            return before, Break(chain, before.seq + 1, what)
        before = Point(each.seq, each.hash)
    return before, None


def ends(chain: str, reached: Point, head: Point) -> Break | None:
    """Whether the entries reach as far as the head says."""
    if head.seq > reached.seq:
        what = f"{_entries(reached.seq + 1, head.seq)} missing: the head says that the chain goes on to {head.seq}"
        return Break(chain, reached.seq + 1, what)
    if head.seq < reached.seq:
        return Break(chain, head.seq + 1, f"the head says that the chain ends at {head.seq}, and there is more")
    if head.hash != reached.hash:
        return Break(chain, head.seq, "the last entry has another hash than the head says")
    return None


def anchored(chain: str, seen: Point, found: Link | None, when: str) -> Break | None:
    """Whether what an anchor saw is still there."""
    if found is None:
        what = f"the entry is missing: the anchor of {when} saw the chain reach it"
    elif found.hash != seen.hash or hash_of(found.previous, found.body) != seen.hash:
        what = f"the entry is not the one that the anchor of {when} saw"
    else:
        return None
    return Break(chain, seen.seq, what)


def restores(links: Iterable[Link]) -> list[dict[str, int]]:
    """Of those that say that a backup was restored: `seq`, and in seconds since 1970 when it was `taken`, and `at`."""
    found = []
    for each in links:
        if _RESTORE in each.body and (entry := decode(each.body)).action == RESTORE:
            said = [change.after for change in entry.changes if change.resource == RESTORED_FROM]
            taken = said[0].get("taken_at") if said and isinstance(said[0], dict) else None
            at = int(entry.at.timestamp())
            try:
                began = int(datetime.fromisoformat(str(taken)).timestamp())
            except ValueError:
                continue
            found.append({"seq": each.seq, "taken": began, "at": at})
    return found


def joins(chain: str, older: Link, newer: Link) -> Break | None:
    """Whether the second follows the first, where two parts of a chain meet that were each followed by themselves."""
    what = _wrong(chain, Point(older.seq, older.hash), newer)
    return None if what is None else Break(chain, older.seq + 1, what)


def _wrong(chain: str, before: Point, each: Link) -> str | None:
    if each.seq != before.seq + 1:
        return f"{_entries(before.seq + 1, each.seq - 1)} missing: the next one that is there is {each.seq}"
    if each.hash != hash_of(each.previous, each.body):
        return "the entry does not match its hash: it was altered"
    if each.previous != before.hash:
        return "the entry does not follow the one before it: one of the two was replaced"
    try:
        said = decode(each.body)
    except ValueError:
        return "the entry cannot be read"
    if (said.chain, said.seq) != (chain, each.seq):
        return f"the entry is another's: it says that it is {said.seq} of {said.chain}"
    return None


def _entries(first: int, last: int) -> str:
    return f"entry {first} is" if first == last else f"entries {first} to {last} are"
