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
from hub.storage.ports import Tables, Value, Values

_TEXT: Final = ("event_type", "source", "sink", "result_code", "result_message", "parent_id", "correlation_id")
_TIMES: Final = ("created_at", "started_at", "finished_at", "lease_until", "not_before")
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


class SummaryRows:
    """Reads summaries. Raises what `Tables` raises, and `UnknownFormat`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self, event_id: str) -> Summary:
        """One event. Raises `Missing`."""
        row = await self._tables.get(EVENTS, partitions.partition_of(event_id).name, partitions.row_key_of(event_id))
        return _summary(row.values)

    async def page(
        self, partition: Partition, *, after: str, limit: int, where: Values | None = None
    ) -> Sequence[Summary]:
        """Events of one partition, newest first, those older than the id `after`; fewer than `limit`: all."""
        key = partitions.row_key_of(after) if after else ""
        rows = await self._tables.query(EVENTS, partition.name, after=key, limit=limit, select=_COLUMNS, where=where)
        return [_summary(row.values) for row in rows]


def _summary(values: Values) -> Summary:
    codec.check_format(values.get("format"))
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
