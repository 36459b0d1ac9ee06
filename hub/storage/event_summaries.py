"""Events as lists show them: only the columns that a line needs, so that payloads are not read with every page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hub.model.configuration import SourceKind
from hub.model.event import State
from hub.rules import partitions
from hub.rules.partitions import Partition
from hub.storage import codec
from hub.storage.keys import EVENTS
from hub.storage.pages import Page, id_reached, key_behind
from hub.storage.ports import Row, Tables, Value, Values

_TEXT: Final = ("event_type", "source", "sink", "result_code", "result_message", "parent_id", "correlation_id")
_TIMES: Final = ("created_at", "started_at", "finished_at", "lease_until", "not_before")
_SEARCHED: Final = ("event_type", "sink", "result_code", "result_message")
_COLUMNS: Final = ("format", "id", "state", "source_kind", "attempt", "depth", "root_id", *_TEXT, *_TIMES)


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of a list of events."""

    id: str
    event_type: str
    source_kind: SourceKind
    state: State
    root_id: str
    attempt: int
    depth: int
    created_at: datetime
    source: str | None = None
    sink: str | None = None
    result_code: str | None = None
    result_message: str | None = None
    parent_id: str | None = None
    correlation_id: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    lease_until: datetime | None = None
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pick:
    """Which events are wanted, as far as the columns of a list tell."""

    names: Sequence[tuple[str, str]]
    """Columns and the names they must hold, whatever their case."""
    search: str | None
    folded: str
    """The same, without regard to case."""

    @classmethod
    def of(cls, event_type: str | None, source: str | None, sink: str | None, search: str | None) -> Pick:
        """`search` is the caller's own id exactly, else a part of type, sink, result code or message."""
        named = (("event_type", event_type), ("source", source), ("sink", sink))
        names = tuple((column, name.casefold()) for column, name in named if name is not None)
        return cls(names, search, (search or "").casefold())

    @property
    def everything(self) -> bool:
        """Nothing is left out."""
        return not self.names and self.search is None

    def takes(self, values: Values) -> bool:
        """Whether this row is wanted."""
        if any(str(values.get(column, "")).casefold() != name for column, name in self.names):
            return False
        if self.search is None or self.search == values.get("correlation_id"):
            return True
        return any(self.folded in str(values.get(column, "")).casefold() for column in _SEARCHED)


class SummaryRows:
    """Reads summaries. Raises what `Tables` raises, and `UnknownFormat`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self, event_id: str, pick: Pick) -> Summary | None:
        """One event, if it is wanted. Raises `Missing`."""
        row = await self._tables.get(EVENTS, partitions.partition_of(event_id).name, partitions.row_key_of(event_id))
        return _summary(row.values) if pick.takes(row.values) else None

    async def page(self, partition: Partition, pick: Pick, *, after: str, limit: int) -> Page[Summary]:
        """Of the next `limit` events of a partition, those older than the id `after`, the ones that are wanted."""
        rows = await self._tables.query(EVENTS, partition.name, after=key_behind(after), limit=limit, select=_COLUMNS)
        return _page(rows, pick, id_reached(rows[-1].key if len(rows) == limit else None))

    async def search(
        self, partition: Partition, pick: Pick, *, where: Values, after: str, limit: int, most: int
    ) -> Page[Summary]:
        """The same of those that storage finds by these columns, among about `most` rows."""
        found = await self._tables.search(
            EVENTS, partition.name, where=where, after=key_behind(after), limit=limit, most=most, select=_COLUMNS
        )
        return _page(found.rows, pick, id_reached(found.reached))


def _page(rows: Sequence[Row], pick: Pick, reached: str | None) -> Page[Summary]:
    # Chosen before they are made: most rows that a search reads are not wanted, and making one costs ten times more.
    return Page([_summary(row.values) for row in rows if pick.takes(row.values)], len(rows), reached)


def _summary(values: Values) -> Summary:
    codec.check_format(EVENTS, values.get("format"))
    fields: dict[str, Any] = {name: values[name] for name in _TEXT if values.get(name, "") != ""}
    for name in _TIMES:
        text: Value = values.get(name, "")
        if text != "":
            fields[name] = codec.time_of_text(str(text))
    return Summary(
        id=str(values["id"]),
        source_kind=SourceKind(str(values["source_kind"])),
        state=State(str(values["state"])),
        root_id=str(values["root_id"]),
        attempt=int(values.get("attempt", 0)),
        depth=int(values.get("depth", 0)),
        **fields,
    )
