"""Chains of secret releases, as rows: one for each process, cut by the hour, and an index of which there are.

A partition is one hour of one chain, the newest first: nobody else writes to it, so that an entry is one insert and
processes do not get into each other's way. Its row in the index comes before its first entry.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from hub.errors import Exists, Missing
from hub.rules.audit_chain import Link
from hub.storage import codec
from hub.storage.keys import RELEASES
from hub.storage.ports import Row, Tables, Value

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INDEX: Final = "hours"
_LAST_HOUR: Final = 99_999_999
_LAST_MS: Final = 10**15 - 1
_LAST_SEQ: Final = 10**12 - 1


@dataclass(frozen=True, slots=True)
class Part:
    """One hour of one chain."""

    hour: int
    """Hours since 1970."""
    chain: str

    @property
    def key(self) -> str:
        """In the index, where the newest hour comes first."""
        return f"{_LAST_HOUR - self.hour:08d}-{self.chain}"


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry, and the key of its row, which orders by time, the newest first."""

    key: str
    link: Link


class ReleaseRows:
    """Reads and writes them. Raises what `Tables` raises."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def open(self, part: Part) -> None:
        """Name a part in the index; again is fine."""
        with suppress(Exists):
            await self._tables.insert(RELEASES, _INDEX, part.key, {"format": codec.written()})

    async def add(self, part: Part, at: datetime, link: Link) -> None:
        """Add an entry. Raises `Exists`."""
        await self._tables.insert(RELEASES, _partition(part), _key(at, link.seq), _values(link))

    async def parts(self, *, after: str = "", limit: int) -> list[Part]:
        """Parts behind this key of the index, the newest hour first."""
        rows = await self._tables.query(RELEASES, _INDEX, after=after, limit=limit)
        return [part_of(row.key) for row in rows]

    async def page(self, part: Part, *, after: str = "", limit: int) -> list[Placed]:
        """Entries of a part behind this key, the newest first."""
        rows = await self._tables.query(RELEASES, _partition(part), after=after, limit=limit)
        return [Placed(row.key, _link(row)) for row in rows]

    async def get(self, chain: str, at: datetime, seq: int) -> Link | None:
        """One entry, which was added at that time."""
        part = Part(hour_of(at), chain)
        try:
            return _link(await self._tables.get(RELEASES, _partition(part), _key(at, seq)))
        except Missing:
            return None

    async def newest(self, part: Part) -> Placed | None:
        """The last entry of a part."""
        found = await self.page(part, limit=1)
        return found[0] if found else None


def hour_of(moment: datetime) -> int:
    """Hours since 1970."""
    return (moment - _EPOCH) // timedelta(hours=1)


def begin_of(hour: int) -> datetime:
    """When it begins."""
    return _EPOCH + timedelta(hours=hour)


def first_key_of(hour: int) -> str:
    """In the index, before every part of this hour and behind those of the next."""
    return f"{_LAST_HOUR - hour:08d}"


def time_of(key: str) -> datetime:
    """When the entry was added that has this key in its partition."""
    return _EPOCH + timedelta(milliseconds=_LAST_MS - int(key.partition("-")[0]))


def part_of(key: str) -> Part:
    """The part that has this key in the index."""
    hour, _, chain = key.partition("-")
    return Part(_LAST_HOUR - int(hour), chain)


def _partition(part: Part) -> str:
    return f"{part.hour:08d}-{part.chain}"


def _key(at: datetime, seq: int) -> str:
    return f"{_LAST_MS - (at - _EPOCH) // timedelta(milliseconds=1):015d}-{_LAST_SEQ - seq:012d}"


def _values(link: Link) -> dict[str, Value]:
    return {"format": codec.written(), "previous": link.previous, "hash": link.hash, "entry": link.body}


def _link(row: Row) -> Link:
    """Its place is what its address says, whatever the row says of itself."""
    codec.check_format(RELEASES, row.values["format"])
    body = row.values["entry"]
    assert isinstance(body, bytes)
    seq = _LAST_SEQ - int(row.key.rpartition("-")[2])
    return Link(seq, str(row.values["previous"]), str(row.values["hash"]), body)
