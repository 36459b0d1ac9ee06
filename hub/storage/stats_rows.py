"""Statistics as rows: a partition a day, in it a row for each minute and process, and for each hour once it is rolled.

An hour's row takes the place of its minutes in one transaction: whatever crashes, nothing is counted twice or lost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from hub.errors import Missing
from hub.model.stats import FIELDS, HISTOGRAMS, Stats
from hub.rules.adding_up import added, bounded
from hub.storage import codec
from hub.storage.keys import STATS
from hub.storage.ports import Change, Delete, Insert, Replace, Row, Tables, Value

_HOUR, _MINUTE, _END = "h", "m", "n"
"""First letters of keys: `h13`, `m13:05-process`."""
_MOST_AT_ONCE: Final = 99
"""Minutes rolled in one transaction, beside the hour's own row."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Counts from one time on, for a minute or an hour."""

    begin: datetime
    stats: Stats


class StatsRows:
    """Writes, rolls and reads them. Raises what `Tables` raises."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def write(self, minute: int, process: str, stats: Stats) -> None:
        """The counts of one process for one minute (since 1970). Writing them again changes nothing."""
        begin = datetime.fromtimestamp(minute * 60, UTC)
        await self._tables.put(STATS, _day(begin), f"{_MINUTE}{begin:%H:%M}-{process}", _values(begin, stats))

    async def read(self, day: datetime) -> list[Stretch]:
        """Everything there is of a day (UTC)."""
        return [_stretch(row) for row in await self._rows(_day(day), "", None)]

    async def roll(self, day: datetime, before: datetime) -> int:
        """Put the minutes of a day's hours that ended before then into the rows of their hours; how many minutes.

        Raises `Changed`, `Exists` when another process does the same.
        """
        partition = _day(day)
        before_key = f"{_MINUTE}{before:%H}" if _day(before) == partition else _END
        minutes = await self._rows(partition, _MINUTE, before_key)
        rolled = 0
        while minutes:
            hour = minutes[0].key[1:3]
            some = [row for row in minutes if row.key[1:3] == hour][:_MOST_AT_ONCE]
            await self._roll_hour(partition, f"{_HOUR}{hour}", some)
            minutes = minutes[len(some) :]
            rolled += len(some)
        return rolled

    async def _roll_hour(self, partition: str, key: str, minutes: Sequence[Row]) -> None:
        hour = await self._find(partition, key)
        stretches = [_stretch(row) for row in minutes]
        begin = stretches[0].begin.replace(minute=0)
        before = [_stretch(hour)] if hour else []  # rolled once already: a process wrote its minute late
        values = _values(begin, added(each.stats for each in [*before, *stretches]))
        written: Change = Replace(key, values, hour.etag) if hour else Insert(key, values)
        await self._tables.transact(STATS, partition, [written, *(Delete(row.key, row.etag) for row in minutes)])

    async def _find(self, partition: str, key: str) -> Row | None:
        try:
            return await self._tables.get(STATS, partition, key)
        except Missing:
            return None

    async def _rows(self, partition: str, after: str, before: str | None) -> list[Row]:
        rows: list[Row] = []
        while page := await self._tables.query(STATS, partition, after=after, before=before):
            rows += page
            after = page[-1].key
        return rows


def days(begin: datetime, end: datetime) -> list[datetime]:
    """The days (UTC) that have a part of this time."""
    first = begin.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return [first + timedelta(days=number) for number in range((end - first).days + 1)]


def _day(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d}"


def _values(begin: datetime, stats: Stats) -> dict[str, Value]:
    values: dict[str, Value] = {"format": codec.written(), "begin": codec.text_of_time(begin)}
    for name in FIELDS:
        counts: Mapping[object, int] = getattr(stats, name)
        if counts:
            kept = counts if name in HISTOGRAMS else bounded(getattr(stats, name))
            values[name] = json.dumps(kept, separators=(",", ":"))
    return values


def _stretch(row: Row) -> Stretch:
    codec.check_format(STATS, row.values["format"])
    counts = {name: json.loads(str(row.values.get(name, "{}"))) for name in FIELDS}
    for name in HISTOGRAMS:
        counts[name] = {int(bucket): count for bucket, count in counts[name].items()}
    return Stretch(codec.time_of_text(str(row.values["begin"])), Stats(**counts))
