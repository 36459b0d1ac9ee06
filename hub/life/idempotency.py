"""Requests that may be asked again under a key of the caller's choice, and come to the same.

The first one under a key leaves a row, from whose time and shard the id of what it makes is derived: whoever comes
again, after a crash or at the same time in another process, makes the very same thing.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from hub.errors import Changed, Exists, Missing, Rejected
from hub.life.context import LifeContext
from hub.rules import ids
from hub.storage.delivery_rows import Delivery, DeliveryRows, digest

VALID: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request under a key: who asks (as the audit names them), for what, and with what exactly."""

    actor: str | None
    route: str
    key: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Promised:
    """The id of what the request makes."""

    id: str
    first: bool
    """Nobody asked under this key before. Else it may be there already."""


class Idempotency:
    """Remembers requests by their keys for a day."""

    def __init__(self, context: LifeContext, rows: DeliveryRows) -> None:
        self._life = context
        self._rows = rows

    async def promise(self, asked: Asked) -> Promised:
        """One operation of storage, two for who comes again.

        Raises `Rejected` if something else was asked for under this key, `Unavailable`.
        """
        # A source's name has no space: no delivery is ever known by the same.
        known_by = digest(f"{asked.actor} {asked.route}", asked.key)
        content = hashlib.sha256(asked.content).hexdigest()
        now = self._life.now()
        shard = ids.shard_of(ids.new(now, self._life.randomness(), self._life.terms.shards))
        mine = Delivery(now, shard, now + VALID, asked=content)
        while True:
            with suppress(Exists):
                await self._rows.insert(known_by, mine)
                return Promised(_id(known_by, mine), first=True)
            with suppress(Missing, Changed):  # upkeep removed it, or somebody else took it over: look again
                found = await self._rows.get(known_by)
                if now < found.expires_at:
                    if found.asked != content:
                        raise Rejected("under this Idempotency-Key something else was asked for: use another key")
                    return Promised(_id(known_by, found), first=False)
                await self._rows.replace(known_by, mine, found.etag)
                return Promised(_id(known_by, mine), first=True)


def _id(known_by: str, row: Delivery) -> str:
    return ids.derived(row.at, "asked", known_by, shard=row.shard)
