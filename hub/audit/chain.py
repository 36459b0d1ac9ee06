"""The one chain of what people do: adding an entry, by any number of processes at once.

Who was overtaken reads the head again and adds its entry as the next one. Who was not answered looks whether its entry
is there before it tries again, so that one entry is added once.
"""

from __future__ import annotations

import asyncio
from typing import Final

from hub.errors import Changed, Exists, Unavailable
from hub.model.audit import PEOPLE, AuditEntry
from hub.rules import audit_chain
from hub.rules.audit_chain import Link
from hub.storage.audit_rows import AuditRows

_TRIES: Final = 30
_PATIENCE: Final = 3
"""So often storage may not answer before it is called unavailable."""


class PeopleChain:
    """Adds entries. One per process."""

    def __init__(self, rows: AuditRows) -> None:
        self._rows = rows
        self._one_at_a_time = asyncio.Lock()  # those of one process need not make each other try again

    async def append(self, entry: AuditEntry) -> AuditEntry:
        """Add it as the newest, whatever place it names, and answer it with its place. Two operations.

        Raises `Unavailable`; then it may have been added.
        """
        async with self._one_at_a_time:
            unheard = 0
            for _ in range(_TRIES):
                try:
                    return await self._try(entry)
                except (Changed, Exists):
                    continue  # somebody else's came first
                except Unavailable:
                    unheard += 1
                    if unheard == _PATIENCE:
                        raise
        raise Unavailable("the audit is being written by many at once; try again later")

    async def _try(self, entry: AuditEntry) -> AuditEntry:
        head = await self._rows.head()
        placed = entry.model_copy(update={"chain": PEOPLE, "seq": head.point.seq + 1})
        link = audit_chain.link(placed, head.point)
        try:
            await self._rows.add(link, head)
        except (Changed, Exists, Unavailable):
            if not await self._is_there(link):
                raise
        return placed

    async def _is_there(self, link: Link) -> bool:
        """Whether it was added, and only the answer was lost."""
        found = await self._rows.get(link.seq)
        return found is not None and found.hash == link.hash
