"""Slots: at most `max_running` attempts of an EventType at once, on rows that expire by themselves.

A slot is taken and renewed before the event's row is written and released after it, always by claim id, and carries
the very `lease_until` that the row will carry: so a slot outlives the lease it guards by nothing and ends before it by
nothing, whichever line a process is killed at.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from hub.errors import Changed, Exists, Missing, Superseded
from hub.storage import codec
from hub.storage.keys import SLOTS
from hub.storage.ports import Row, Tables, Values


class Slots:
    """The slots of all EventTypes, one partition each."""

    def __init__(self, tables: Tables, clock_margin: timedelta) -> None:
        self._tables = tables
        self._margin = clock_margin

    async def take(
        self, event_type: str, max_running: int, claim_id: str, *, now: datetime, until: datetime
    ) -> int | None:
        """The number of a free slot, now taken for this claim; None when all are in use.

        Costs a query and a write, one write more for each other taker that was quicker.
        """
        partition = event_type.casefold()
        rows = {row.key: row for row in await self._tables.query(SLOTS, partition, limit=1000)}
        for number in range(max_running):
            row = rows.get(_key(number))
            if row is not None and self._in_use(row, now):
                continue
            if await self._took(partition, number, row, claim_id, until):
                return number
        return None

    async def in_use(self, event_type: str, max_running: int, now: datetime) -> int:
        """How many of the slots that may be taken are in use. Costs a query."""
        rows = await self._tables.query(SLOTS, event_type.casefold(), before=_key(max_running), limit=1000)
        return sum(self._in_use(row, now) for row in rows)

    async def _took(self, partition: str, number: int, row: Row | None, claim_id: str, until: datetime) -> bool:
        try:
            await self._write(partition, number, row, _taken(claim_id, until))
        except (Changed, Exists, Missing):
            # It may have been our own write, whose first answer was lost.
            current = await self._row(partition, number)
            return current is not None and current.values["claim_id"] == claim_id
        return True

    async def renew(self, event_type: str, number: int, claim_id: str, until: datetime) -> None:
        """The lease on this slot's event goes on. Raises `Superseded` when another claim has taken the slot."""
        while True:
            row = await self._row(event_type, number)
            if row is None or row.values["claim_id"] != claim_id:
                raise Superseded("the slot this attempt held is another's now")
            until = max(until, codec.time_of_text(str(row.values["lease_until"])))
            with suppress(Changed, Missing):
                await self._write(event_type.casefold(), number, row, _taken(claim_id, until))
                return

    async def release(self, event_type: str, number: int, claim_id: str) -> None:
        """Free the slot, if it still is this claim's."""
        await self._free(event_type, await self._row(event_type, number), claim_id)

    async def release_of(self, event_type: str, claim_id: str) -> None:
        """Free whichever slot this claim holds."""
        rows = await self._tables.query(SLOTS, event_type.casefold(), limit=1000, where={"claim_id": claim_id})
        for row in rows:
            await self._free(event_type, row, claim_id)

    async def _free(self, event_type: str, row: Row | None, claim_id: str) -> None:
        """Also from a renewal that is under way: it will find its attempt ended, and the slot would be nobody's."""
        while row is not None and row.values["claim_id"] == claim_id:
            try:
                return await self._tables.delete(SLOTS, event_type.casefold(), row.key, row.etag)
            except Missing:
                return None
            except Changed:
                row = await self._row(event_type, int(row.key))
        return None

    def _in_use(self, row: Row, now: datetime) -> bool:
        return now < codec.time_of_text(str(row.values["lease_until"])) + self._margin

    async def _row(self, event_type: str, number: int) -> Row | None:
        try:
            return await self._tables.get(SLOTS, event_type.casefold(), _key(number))
        except Missing:
            return None

    async def _write(self, partition: str, number: int, row: Row | None, values: Values) -> None:
        if row is None:
            await self._tables.insert(SLOTS, partition, _key(number), values)
        else:
            await self._tables.replace(SLOTS, partition, _key(number), values, row.etag)


def _key(number: int) -> str:
    return f"{number:04d}"


def _taken(claim_id: str, until: datetime) -> Values:
    return {"format": codec.written(), "claim_id": claim_id, "lease_until": codec.text_of_time(until)}
