"""Where an event's row lies: one partition for each hour and shard, newest first inside, all computed from the id.

Hours bound the partitions, so none grows for ever; listing walks the hours that have events (each hour and shard
leaves a row in an index) instead of every hour there ever was.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hub.rules import ids

HOUR_MS = 3_600_000
_LAST_HOUR = 99_999_999


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """One hour of one shard. Orders by time."""

    hour: int
    """Hours since 1970."""
    shard: str

    @property
    def name(self) -> str:
        """The partition key of its events."""
        return f"{self.hour:08d}-{self.shard}"

    @property
    def newest_first(self) -> str:
        """Its key in the index, which lists the newest first."""
        return f"{_LAST_HOUR - self.hour:08d}-{self.shard}"

    @property
    def begins(self) -> datetime:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=self.hour)

    @property
    def ends(self) -> datetime:
        return self.begins + timedelta(hours=1)


def partition_of(event_id: str) -> Partition:
    """The partition of this event's row."""
    return Partition(ids.milliseconds_of(event_id) // HOUR_MS, ids.shard_of(event_id))


def row_key_of(event_id: str) -> str:
    """The row key: the id inverted, so that the newest row comes first."""
    return ids.inverted(event_id)


def id_of(row_key: str) -> str:
    """The id of the event whose row has this key."""
    return ids.inverted(row_key)


def parse(name: str) -> Partition:
    """The partition that has this name."""
    hour, shard = name.split("-")
    return Partition(int(hour), shard)


def parse_newest_first(key: str) -> Partition:
    """The partition that has this key in the index."""
    hour, shard = key.split("-")
    return Partition(_LAST_HOUR - int(hour), shard)


def at(moment: datetime, shard: str) -> Partition:
    """The partition in which an event of this moment and shard lies."""
    return Partition(int(moment.timestamp() * 1000) // HOUR_MS, shard)
