"""Which partitions have events, and from which on reconcile must look.

Every partition leaves a row here before its first event is acknowledged, so that lists walk the hours that have events
and no others. The mark says: every event in an older hour is settled.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hub.errors import Changed, Exists, Missing
from hub.rules import partitions
from hub.rules.partitions import HOUR_MS, Partition
from hub.storage import codec
from hub.storage.keys import PARTITIONS, UPKEEP
from hub.storage.ports import Tables

_INDEX = "index"
_RECONCILE = "reconcile"
_MARK = "mark"
_FRESH = timedelta(minutes=30)
"""The mark never passes an hour that ended less than an hour ago (`SETTLING`); half of that is room for clocks."""
SETTLING = timedelta(hours=1)
_REMEMBERED = 64


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
            await self._tables.insert(PARTITIONS, _INDEX, partition.newest_first, {"name": partition.name})
        self._known[partition] = None
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]

    async def newest_first(self, *, after: Partition | None = None, oldest_hour: int = 0) -> list[Partition]:
        """Up to 1000 partitions, the newest first, from the one after `after` back to `oldest_hour`."""
        rows = await self._tables.query(
            PARTITIONS,
            _INDEX,
            after=after.newest_first if after else "",
            before=Partition(oldest_hour, "\x7f").newest_first if oldest_hour else None,
        )
        return [partitions.parse_newest_first(row.key) for row in rows]

    async def forget(self, partition: Partition) -> None:
        """Take an empty partition of long ago out of the index."""
        with suppress(Missing, Changed):
            row = await self._tables.get(PARTITIONS, _INDEX, partition.newest_first)
            await self._tables.delete(PARTITIONS, _INDEX, partition.newest_first, row.etag)
        self._known.pop(partition, None)

    async def inserted(self, partition: Partition, now: datetime) -> None:
        """An event was inserted here and is not acknowledged yet: reconcile must not be past it.

        Called after the insert, and it always writes the mark, even where it need not be lowered: a step that read
        this hour before the insert then loses its own write of the mark, and looks again.
        """
        if now < partition.ends + _FRESH:
            return
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
        codec.check_format(document["format"])
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
            "format": codec.FORMAT,
            "hour": mark.hour,
            "previous_run": codec.text_of_time(mark.previous_run) if mark.previous_run else None,
            "underway": [underway.partition, underway.after, underway.first_open] if underway else None,
        }
        values = {"mark": json.dumps(document, separators=(",", ":"))}
        if mark.etag is None:
            await self._tables.insert(UPKEEP, _RECONCILE, _MARK, values)
        else:
            await self._tables.replace(UPKEEP, _RECONCILE, _MARK, values, mark.etag)


def settled_hour(now: datetime) -> int:
    """The first hour that is too young for the mark to pass."""
    return int((now - SETTLING).timestamp() * 1000) // HOUR_MS
