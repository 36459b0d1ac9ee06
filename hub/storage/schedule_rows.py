"""How far each schedule has come: a row each, all in one partition, so that a thousand are read at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from hub.batches import batches
from hub.errors import Changed, Exists, Missing
from hub.storage import codec
from hub.storage.keys import UPKEEP
from hub.storage.limits import MAX_CHANGES
from hub.storage.ports import Change, Delete, Insert, Replace, Row, Tables, Value

_PARTITION: Final = "schedules"
_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Progress:
    """The last tick of a schedule whose events were made."""

    definition: str
    """The definition that made them."""
    tick: datetime


@dataclass(frozen=True, slots=True)
class Reached:
    """The same as it was read, with the ETag of that version."""

    progress: Progress
    etag: str


Rows: TypeAlias = Mapping[str, Reached]
"""By the source's name in small letters."""


class ScheduleRows:
    """Reads and writes them. Raises what `Tables` raises."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def all(self) -> dict[str, Reached]:
        """Those of all schedules that have fired: a read for each thousand."""
        found: dict[str, Reached] = {}
        after = ""
        while True:
            rows = await self._tables.query(UPKEEP, _PARTITION, after=after, limit=_PAGE)
            found.update((row.key, _reached(row)) for row in rows)
            if len(rows) < _PAGE:
                return found
            after = rows[-1].key

    async def write(self, reached: Mapping[str, Progress], before: Rows) -> None:
        """Write how far these have come, over what was read. What another process has written since stays."""
        await self._carry_out([_change(name, each, before.get(name)) for name, each in reached.items()])

    async def remove(self, names: Sequence[str], before: Rows) -> None:
        """Remove those of schedules that are gone."""
        await self._carry_out([Delete(name, before[name].etag) for name in names])

    async def _carry_out(self, changes: Sequence[Change]) -> None:
        for some in batches(changes, MAX_CHANGES):
            try:
                await self._tables.transact(UPKEEP, _PARTITION, some)
            except (Changed, Exists, Missing):
                if len(some) > 1:  # one of them, and so none was written
                    for each in some:
                        with suppress(Changed, Exists, Missing):
                            await self._tables.transact(UPKEEP, _PARTITION, [each])


def _change(name: str, progress: Progress, before: Reached | None) -> Change:
    values: dict[str, Value] = {
        "format": codec.written(),
        "definition": progress.definition,
        "tick": codec.text_of_time(progress.tick),
    }
    return Insert(name, values) if before is None else Replace(name, values, before.etag)


def _reached(row: Row) -> Reached:
    codec.check_format(UPKEEP, row.values["format"])
    tick = codec.time_of_text(str(row.values["tick"]))
    return Reached(Progress(str(row.values["definition"]), tick), row.etag)
