"""Events as upkeep looks them through: the few columns that tell whether anything must be done about one.

A backlog may be a hundred thousand events long and is looked through again and again; whole rows are read only of
those that something is due for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from hub.batches import batches
from hub.errors import Changed, Missing
from hub.model.event import State
from hub.rules import partitions
from hub.rules.partitions import Partition
from hub.storage import codec
from hub.storage.keys import EVENTS, UPKEEP
from hub.storage.limits import MAX_CHANGES
from hub.storage.pages import id_reached, key_behind
from hub.storage.ports import Delete, Row, Tables, Value, Values
from hub.turns import map_in_turns

_RETENTION, _REACHED = "retention", "reached"
_LOOKED_THROUGH: Final = 10_000
"""Rows that storage looks through at once for the open ones, where it has no index of them."""
_OPEN_COLUMNS: Final = (
    "format",
    "id",
    "state",
    "event_type",
    "attempt",
    "depth",
    "created_at",
    "not_before",
    "lease_until",
    "hints",
    codec.SILENT,
    "source",
    "schedule",
)
_OLD_COLUMNS: Final = (
    "format",
    "id",
    "state",
    codec.OPEN,
    "finished_at",
    "payload_blob",
    "result_data_blob",
    "receipt_body_blob",
)


@dataclass(frozen=True, slots=True)
class OpenEvent:
    """An event that is not settled."""

    id: str
    state: State
    event_type: str
    attempt: int
    depth: int
    created_at: datetime
    not_before: datetime | None
    lease_until: datetime | None
    hints: int
    silent: bool
    source: str | None
    schedule: str | None


@dataclass(frozen=True, slots=True)
class OldEvent:
    """An event whose time may be over, and what hangs on its row."""

    id: str
    etag: str
    state: State
    settled: bool
    finished_at: datetime | None
    payload_blob: str | None
    result_blob: str | None
    request_blob: str | None


EVERY: Final = ""
"""Sought by retention: events of whatever state."""


@dataclass(frozen=True, slots=True)
class Look:
    """How far retention has looked through a partition, and what it has met there."""

    etag: str
    """Of the partition's row in the index, as it was read before."""
    sought: tuple[str, ...]
    """States, looked for one after the other; or `EVERY`."""
    number: int = 0
    """Which of them is being looked for."""
    after: str = ""
    """The id of the last event looked at."""
    left: bool = False
    """Something has to stay."""
    due: datetime | None = None
    """When the first of that may go; None: not before it is known to be settled, or never."""


@dataclass(frozen=True, slots=True)
class Reached:
    """Where retention goes on when it takes more than one step."""

    partition: str
    """The last that was looked at."""
    kept_for: str
    """Under which settings."""
    inside: Look | None = None
    """It is not looked through yet."""


class UpkeepRows:
    """Reads them a page at a time, and deletes many. Raises what `Tables` raises, and `UnknownFormat`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def open(self, partition: Partition, *, after: str, limit: int) -> tuple[list[OpenEvent], str | None]:
        """Events of a partition that are not settled, newest first, those older than the id `after`.

        With them the id down to which all were looked at; None: there are no more.
        """
        found = await self._tables.search(
            EVENTS,
            partition.name,
            where={codec.OPEN: True},
            after=key_behind(after),
            limit=limit,
            most=_LOOKED_THROUGH,
            select=_OPEN_COLUMNS,
        )
        return await map_in_turns(_open, found.rows), id_reached(found.reached)

    async def old(
        self, partition: Partition, state: str, *, after: str, limit: int
    ) -> tuple[list[OldEvent], str | None]:
        """Events of a partition in this state, or `EVERY`, newest first, those older than the id `after`.

        With them the id down to which all were looked at; None: there are no more.
        """
        if state != EVERY:
            found = await self._tables.search(
                EVENTS,
                partition.name,
                where={"state": state},
                after=key_behind(after),
                limit=limit,
                most=_LOOKED_THROUGH,
                select=_OLD_COLUMNS,
            )
            return await map_in_turns(_old, found.rows), id_reached(found.reached)
        rows = await self._tables.query(
            EVENTS, partition.name, after=key_behind(after), limit=limit, select=_OLD_COLUMNS
        )
        events = await map_in_turns(_old, rows)
        return events, events[-1].id if len(events) == limit else None

    async def delete(self, partition: Partition, events: Sequence[OldEvent]) -> int:
        """Remove those of one partition that are still as they were read; how many."""
        gone = 0
        for few in batches(events, MAX_CHANGES):
            some = [Delete(partitions.row_key_of(each.id), each.etag) for each in few]
            try:
                await self._tables.transact(EVENTS, partition.name, some)
                gone += len(some)
            except (Changed, Missing):  # one of them, and so none was removed
                gone += await self._delete_singly(partition, some)
        return gone

    async def _delete_singly(self, partition: Partition, some: Sequence[Delete]) -> int:
        gone = 0
        for each in some:
            with suppress(Changed, Missing):
                await self._tables.delete(EVENTS, partition.name, each.key, each.etag)
                gone += 1
        return gone

    async def reached(self, kept_for: str) -> Reached | None:
        """Where the last step of retention under these settings stopped; None: at the end, or there was none."""
        try:
            row = await self._tables.get(UPKEEP, _RETENTION, _REACHED)
        except Missing:
            return None
        codec.check_format(UPKEEP, row.values["format"])
        text = str(row.values.get("reached", ""))  # the release before wrote other columns: it is begun anew
        document = json.loads(text) if text else None
        if document is None or document["kept_for"] != kept_for:
            return None
        inside = document["inside"]
        return Reached(document["partition"], kept_for, _look(inside) if inside else None)

    async def write_reached(self, reached: Reached | None) -> None:
        """Two processes may write it in turn: what both look at is looked at twice, which does no harm."""
        text = json.dumps(asdict(reached), default=codec.text_of_time) if reached else ""
        values: dict[str, Value] = {"format": codec.written(), "partition": "", "after": "", "reached": text}
        await self._tables.put(UPKEEP, _RETENTION, _REACHED, values)


def _look(document: dict[str, Any]) -> Look:
    due = document["due"]
    told = {"sought": tuple(document["sought"]), "due": codec.time_of_text(due) if due else None}
    return Look(**{**document, **told})


def _open(row: Row) -> OpenEvent:
    values = row.values
    codec.check_format(EVENTS, values.get("format"))
    return OpenEvent(
        id=str(values["id"]),
        state=State(str(values["state"])),
        event_type=str(values["event_type"]),
        attempt=_number(values, "attempt"),
        depth=_number(values, "depth"),
        created_at=codec.time_of_text(str(values["created_at"])),
        not_before=_time(values, "not_before"),
        lease_until=_time(values, "lease_until"),
        hints=_number(values, "hints"),
        silent=values.get(codec.SILENT) is True,
        source=str(values.get("source", "")) or None,
        schedule=str(values.get("schedule", "")) or None,
    )


def _number(values: Values, name: str) -> int:
    number = values.get(name, 0)
    assert isinstance(number, int)
    return number


def _old(row: Row) -> OldEvent:
    codec.check_format(EVENTS, row.values.get("format"))
    return OldEvent(
        id=str(row.values["id"]),
        etag=row.etag,
        state=State(str(row.values["state"])),
        settled=row.values[codec.OPEN] is False,
        finished_at=_time(row.values, "finished_at"),
        payload_blob=_blob(row, "payload"),
        result_blob=_blob(row, "result_data"),
        request_blob=_blob(row, "receipt_body"),
    )


def _blob(row: Row, name: str) -> str | None:
    return str(row.values.get(f"{name}_blob", "")) or None


def _time(values: Values, name: str) -> datetime | None:
    text = str(values.get(name, ""))
    return codec.time_of_text(text) if text else None
