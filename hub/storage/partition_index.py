"""Which partitions have events, and where reconcile must look.

Every partition leaves a row here before its first event is acknowledged, so that lists walk the hours that have events
and no others. The mark says: every event in an older hour is settled. A partition's row says so of itself, once it has
been seen: the partitions between now and one event that waits for months are not looked through each minute.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hub.errors import Changed, Exists, Missing
from hub.rules import partitions
from hub.rules.partitions import HOUR_MS, Partition
from hub.storage import codec
from hub.storage.keys import PARTITIONS, UPKEEP
from hub.storage.ports import Row, Tables, Value

_INDEX = "index"
_RECONCILE = "reconcile"
_MARK = "mark"
_FRESH = timedelta(minutes=30)
"""The mark never passes an hour that ended less than an hour ago (`SETTLING`); half of that is room for clocks."""
SETTLING = timedelta(hours=1)
_REMEMBERED = 64
_PAGE = 1000
_SETTLED = "settled"
_KEPT_FOR, _KEPT_UNTIL = "kept_for", "kept_until"


@dataclass(frozen=True, slots=True)
class Indexed:
    """A partition, as the index has it."""

    partition: Partition
    settled: bool
    """No event in it is QUEUED, RUNNING, or owes anything."""
    etag: str
    kept_for: str = ""
    """Retention has looked through it under these settings; empty: not since an old event came, or the last ended."""
    kept_until: datetime | None = None
    """Before this time it need not look again; None: never, unless the row loses this."""


@dataclass(frozen=True, slots=True)
class Pass:
    """How far a pass over the unsettled hours has come, when it takes more than one step."""

    partition: str
    after: str
    """The id of the last event looked at."""
    first_open: int
    """The oldest hour in which this pass has met an unsettled event so far."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where reconcile begins, when it last took a step, and the ETag of what was read."""

    hour: int = 0
    previous_run: datetime | None = None
    underway: Pass | None = None
    etag: str | None = None


class PartitionIndex:
    """The index and the mark, as rows."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._known: dict[Partition, None] = {}

    async def register(self, partition: Partition) -> None:
        """See that the partition is in the index. Costs an operation once for each partition and process."""
        if partition in self._known:
            return
        with suppress(Exists):
            await self._tables.insert(PARTITIONS, _INDEX, partition.newest_first, _row_of(partition))
        self._known[partition] = None
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]

    async def newest_first(
        self, *, after: Partition | None = None, oldest_hour: int = 0, limit: int = _PAGE
    ) -> list[Indexed]:
        """Up to `limit` partitions, the newest first, from the one after `after` back to `oldest_hour`."""
        rows = await self._tables.query(
            PARTITIONS,
            _INDEX,
            after=after.newest_first if after else "",
            before=Partition(oldest_hour, "\x7f").newest_first if oldest_hour else None,
            limit=limit,
            select=["format", _SETTLED, _KEPT_FOR, _KEPT_UNTIL],
        )
        return [_indexed(row) for row in rows]

    async def walk(self, *, after: Partition | None = None, oldest_hour: int = 0) -> AsyncIterator[Indexed]:
        """All of them, the newest first, read as they are needed."""
        while True:
            page = await self.newest_first(after=after, oldest_hour=oldest_hour, limit=_PAGE)
            for each in page:
                yield each
            if len(page) < _PAGE:
                return
            after = page[-1].partition

    async def settle(self, indexed: Indexed) -> bool:
        """Nothing in this partition is open, and it was looked through after its row was read as `indexed`.

        Whoever inserts an old id writes the row afterwards (`inserted`), so that this write is refused then. False: it
        was, be it by a write of somebody else, and the mark must not pass this hour yet.
        """
        partition = indexed.partition  # without what retention noted: it has not seen how the last of them ended
        values = {**_row_of(partition), _SETTLED: True}
        with suppress(Missing):  # retention found it empty
            try:
                await self._tables.replace(PARTITIONS, _INDEX, partition.newest_first, values, indexed.etag)
            except Changed:
                return False
        return True

    async def kept(self, indexed: Indexed, kept_for: str, until: datetime | None) -> None:
        """Retention looked through this partition after its row was read as `indexed`, and nothing goes before then."""
        values: dict[str, Value] = {_KEPT_FOR: kept_for, _KEPT_UNTIL: codec.text_of_time(until) if until else ""}
        with suppress(Changed, Missing):
            await self._tables.merge(PARTITIONS, _INDEX, indexed.partition.newest_first, values, indexed.etag)

    async def forget(self, indexed: Indexed) -> None:
        """Take a partition of long ago out of the index; it was found empty after its row was read as `indexed`."""
        with suppress(Missing, Changed):
            await self._tables.delete(PARTITIONS, _INDEX, indexed.partition.newest_first, indexed.etag)
        self._known.pop(indexed.partition, None)

    async def inserted(self, partition: Partition, now: datetime) -> None:
        """An event was inserted here and is not acknowledged yet: reconcile must not be past it.

        Called after the insert, and it always writes the partition's row and the mark, even where neither says yet
        what is no longer so: a step that looked before the insert then loses its own write of them, and looks again.
        """
        if now < partition.ends + _FRESH:
            return
        await self._tables.put(PARTITIONS, _INDEX, partition.newest_first, _row_of(partition))
        while True:
            mark = await self.mark()
            underway = mark.underway
            if underway is not None:
                underway = replace(underway, first_open=min(underway.first_open, partition.hour))
            lowered = replace(mark, hour=min(mark.hour, partition.hour), underway=underway)
            with suppress(Changed, Missing, Exists):
                await self.write_mark(lowered)
                return

    async def mark(self) -> Mark:
        """The mark as it stands; hour 0 when reconcile has never run."""
        try:
            row = await self._tables.get(UPKEEP, _RECONCILE, _MARK)
        except Missing:
            return Mark()
        document = json.loads(str(row.values["mark"]))
        codec.check_format(UPKEEP, document["format"])
        previous, underway = document["previous_run"], document["underway"]
        return Mark(
            hour=document["hour"],
            previous_run=codec.time_of_text(previous) if previous else None,
            underway=Pass(*underway) if underway else None,
            etag=row.etag,
        )

    async def write_mark(self, mark: Mark) -> None:
        """Write the mark over the version read. Raises `Changed`, `Exists` if somebody else has written it since."""
        underway = mark.underway
        document = {
            "format": codec.written(),
            "hour": mark.hour,
            "previous_run": codec.text_of_time(mark.previous_run) if mark.previous_run else None,
            "underway": [underway.partition, underway.after, underway.first_open] if underway else None,
        }
        values = {"mark": json.dumps(document, separators=(",", ":"))}
        if mark.etag is None:
            await self._tables.insert(UPKEEP, _RECONCILE, _MARK, values)
        else:
            await self._tables.replace(UPKEEP, _RECONCILE, _MARK, values, mark.etag)


def _row_of(partition: Partition) -> dict[str, Value]:
    return {"format": codec.written(), "name": partition.name}


def _indexed(row: Row) -> Indexed:
    codec.check_format_if_numbered(PARTITIONS, row.values)
    until = str(row.values.get(_KEPT_UNTIL, ""))
    return Indexed(
        partition=partitions.parse_newest_first(row.key),
        settled=row.values.get(_SETTLED) is True,
        etag=row.etag,
        kept_for=str(row.values.get(_KEPT_FOR, "")),
        kept_until=codec.time_of_text(until) if until else None,
    )


def settled_hour(now: datetime) -> int:
    """The first hour that is too young for the mark to pass."""
    return int((now - SETTLING).timestamp() * 1000) // HOUR_MS
