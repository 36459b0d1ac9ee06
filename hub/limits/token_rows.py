"""Token buckets as rows, one for each thing that is limited, shared by all processes: races are decided by the ETag."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from hub.errors import Changed, Exists, Missing
from hub.rules.token_bucket import Bucket, Rate, full, seconds_until, take
from hub.storage import codec
from hub.storage.keys import RATES
from hub.storage.ports import Row, Tables, Values

_KEY = "bucket"


@dataclass(frozen=True, slots=True)
class Grant:
    """What was got, and after how many seconds there is another token; 0 when there is one left."""

    tokens: int
    next_in: float


class TokenRows:
    """Buckets by name, full at first. A partition each, so that none slows down another."""

    def __init__(self, tables: Tables, now: Callable[[], datetime], randomness: Callable[[], int]) -> None:
        """`now` is cut to the milliseconds that storage keeps."""
        self._tables = tables
        self._now = now
        self._randomness = randomness

    async def take(self, name: str, rate: Rate, wanted: int) -> Grant:
        """Up to `wanted` tokens: a read and a write, or only the read when there is none. Again for each other taker
        that was quicker.

        Raises `Unavailable`; then tokens may have been taken that nobody has.
        """
        by = f"{self._randomness() & (1 << 64) - 1:016x}"
        grant = Grant(0, 0.0)
        while True:
            row = await self._row(name)
            if row is not None and row.values["by"] == by:
                return grant  # it was our own write, whose first answer was lost
            now = self._now()
            bucket = full(rate, now) if row is None else _bucket(row)
            taken = take(bucket, rate, now, wanted)
            grant = Grant(taken.tokens, seconds_until(taken.bucket, rate, now))
            if not grant.tokens:
                return grant
            try:
                await self._write(name, row, _values(taken.bucket, by))
            except (Changed, Exists, Missing):
                continue
            return grant

    async def next_in(self, name: str, rate: Rate) -> float:
        """After how many seconds there is a token, 0 when there is one. Takes none. Costs a read."""
        row = await self._row(name)
        return 0.0 if row is None else seconds_until(_bucket(row), rate, self._now())

    async def _row(self, name: str) -> Row | None:
        try:
            return await self._tables.get(RATES, name, _KEY)
        except Missing:
            return None

    async def _write(self, name: str, row: Row | None, values: Values) -> None:
        if row is None:
            await self._tables.insert(RATES, name, _KEY, values)
        else:
            await self._tables.replace(RATES, name, _KEY, values, row.etag)


def _bucket(row: Row) -> Bucket:
    codec.check_format(RATES, row.values["format"])
    tokens = row.values["tokens"]
    assert isinstance(tokens, float | int)
    return Bucket(float(tokens), codec.time_of_text(str(row.values["at"])))


def _values(bucket: Bucket, by: str) -> Values:
    return {"format": codec.written(), "tokens": float(bucket.tokens), "at": codec.text_of_time(bucket.at), "by": by}
