"""When access tokens were last used: a row for each, by the token's hash, in one partition."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from hub.errors import Changed, Missing
from hub.storage import codec
from hub.storage.keys import TOKEN_USE
from hub.storage.ports import Tables, Value

PARTITION = "used"
_PAGE = 1000


class TokenUseRows:
    """Reads and writes the rows. Raises `Unavailable`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def put(self, sha256: str, at: datetime) -> None:
        """It was used at this time: one write, over what is there."""
        values: dict[str, Value] = {"format": codec.written(), "at": codec.text_of_time(at)}
        await self._tables.put(TOKEN_USE, PARTITION, sha256, values)

    async def all(self) -> Mapping[str, datetime]:
        """By hash."""
        found: dict[str, datetime] = {}
        after = ""
        while True:
            rows = await self._tables.query(TOKEN_USE, PARTITION, after=after, limit=_PAGE)
            found.update({row.key: codec.time_of_text(str(row.values["at"])) for row in rows})
            if len(rows) < _PAGE:
                return found
            after = rows[-1].key

    async def remove(self, sha256: str) -> None:
        """Its token is gone."""
        with suppress(Missing, Changed):  # never used, or just then
            row = await self._tables.get(TOKEN_USE, PARTITION, sha256)
            await self._tables.delete(TOKEN_USE, PARTITION, sha256, row.etag)
