"""Upkeep of the embedded engine's rows: what nobody refers to is removed, what an older root key sealed is sealed anew.

Done by the timer and not while reading: a secret that nobody reads for a week would else be lost with the old key.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from hub.clock import Clock
from hub.errors import Changed, Missing
from hub.model.secret import Keeper, SecretInfo
from hub.secrets.port import Unreadable
from hub.secrets.registered import Read
from hub.secrets.sealing import Sealer
from hub.storage.configuration import Configuration, RowKind
from hub.storage.secret_rows import SecretRows, ValueHead

log = logging.getLogger(__name__)

EVERY: Final = timedelta(hours=1)
"""Between two looks of one process. A look is one operation for each thousand secrets."""
FORGOTTEN_AFTER: Final = timedelta(hours=1)
"""A row this old that the configuration does not name never will be: its put was over within minutes."""
MOST_A_STEP: Final = 50


class SecretTidying:
    """Tidies a bounded number of rows at each step."""

    def __init__(self, rows: SecretRows, sealer: Sealer, newest: Read, clock: Clock) -> None:
        self._rows = rows
        self._sealer = sealer
        self._newest = newest
        self._clock = clock
        self._next: datetime | None = None

    async def step(self) -> int:
        """How many rows were removed or sealed anew. Looks once an hour; sooner while there is more to do."""
        now = self._clock.now()
        if self._next is not None and now < self._next:
            return 0
        heads = await self._rows.heads()
        # Read after the rows were: what it does not name now, and was written long ago, nobody is about to name.
        standing = _standing(await self._newest()) if heads else {}
        done = 0
        for head in heads:
            if done >= MOST_A_STEP:
                return done
            if head.version not in standing.get(head.name.casefold(), ()):
                done += await self._forget(head, now)
            elif head.key_id != self._sealer.key_id:
                done += await self._seal_anew(head)
        self._next = now + EVERY
        return done

    async def _forget(self, head: ValueHead, now: datetime) -> bool:
        if now - head.written_at < FORGOTTEN_AFTER:
            return False
        await self._rows.remove(head.name, head.version)
        return True

    async def _seal_anew(self, head: ValueHead) -> bool:
        with suppress(Changed, Missing):  # another process was quicker, or the value was replaced
            sealed, etag = await self._rows.read_for_change(head.name, head.version)
            try:
                value = self._sealer.open(sealed, name=head.name, version=head.version)
            except Unreadable as error:
                log.error("%s", error)
                return False
            await self._rows.replace(head, self._sealer.seal(value, name=head.name, version=head.version), etag)
            log.info("the secret %s is encrypted under the root key %s now", head.name, self._sealer.key_id)
            return True
        return False


def _standing(configuration: Configuration) -> dict[str, set[str]]:
    """The versions that stand in the hub's storage, and those before them, by name."""
    found: dict[str, set[str]] = {}
    for entry in configuration.of(RowKind.SECRET):
        if isinstance(entry.model, SecretInfo):
            versions = (entry.model.standing, entry.model.previous)
            kept = {each.version for each in versions if each is not None and each.keeper is Keeper.HUB}
            found[entry.model.name.casefold()] = kept
    return found
