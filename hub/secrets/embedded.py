"""The embedded engine for secrets: values encrypted in the hub's own storage, on either storage engine.

Which secrets there are, and which version of each stands, is part of the configuration: so that nobody can delete what
somebody else is just beginning to name, and every process knows within 5 s. The values lie apart, a row for each
version. A put writes the value first and the configuration second; a delete takes the configuration first: a process
that dies between leaves at most a row that nobody refers to, which `tidying.py` removes.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from hub.clock import Clock
from hub.errors import Missing, NexomaticError, Unavailable
from hub.model.secret import SecretInfo
from hub.secrets.port import Expect, Secret, Unreadable, check, whatever_is_there
from hub.secrets.sealing import Sealer
from hub.storage.configuration import Configuration, Edit, Entry, RowKind, Write
from hub.storage.secret_rows import SecretRows

log = logging.getLogger(__name__)

VERSION_BITS: Final = 128
Read: TypeAlias = Callable[[], Awaitable[Configuration]]


@dataclass(frozen=True, slots=True)
class Registry:
    """The configuration, as far as secrets need it."""

    current: Read
    """At most 5 s old."""
    news: Read
    """As it stands now, for what is unknown: many who ask share a read."""
    newest: Read
    write: Write
    removal: Callable[[Configuration, Entry], Edit]
    """The edit that removes an entry. Raises `Rejected` with those who name it."""


class EmbeddedSecrets:
    """Keeps secrets. One per process."""

    def __init__(
        self, rows: SecretRows, sealer: Sealer, registry: Registry, clock: Clock, randomness: Callable[[], int]
    ) -> None:
        self._rows = rows
        self._sealer = sealer
        self._registry = registry
        self._clock = clock
        self._randomness = randomness

    async def get(self, name: str) -> Secret:
        """As the port says. One operation, while this process knows the configuration; at most 5 s old."""
        info = _named(await self._registry.current(), name) or await self._news_of(name)
        while True:
            try:
                return await self._open(info)
            except Unreadable:
                raise
            except Missing:
                # Replaced since this process last read the configuration, and then it was removed.
                newer = await self._news_of(name)
                if newer.version == info.version:
                    raise Missing(f"the value of the secret {name} is not in storage any more: put it again") from None
                info = newer

    async def put(
        self, name: str, value: str, description: str = "", *, by: str = "", expect: Expect = whatever_is_there
    ) -> SecretInfo:
        """As the port says."""
        check(name, value)
        now = self._clock.now().replace(microsecond=0)
        version = f"{self._randomness() & (1 << VERSION_BITS) - 1:032x}"
        info = SecretInfo(name=name, description=description, version=version, changed_at=now, changed_by=by)
        await self._rows.put(name, version, self._sealer.seal(value, name=name, version=version), now)
        replaced: list[SecretInfo] = []

        def decide(seen: Configuration) -> Edit:
            before = _named(seen, name)
            expect(before.version if before else None)
            replaced[:] = [before] if before else []
            return Edit(put=[Entry(RowKind.SECRET, name, info)])

        try:
            await self._registry.write(decide)
        except Unavailable:
            raise  # the configuration may name it, or will: only tidying, later, can tell
        except NexomaticError:
            await self._remove_value(info)
            raise
        for old in replaced:
            await self._remove_value(old)
        return info

    async def delete(self, name: str, *, expect: Expect = whatever_is_there) -> None:
        """As the port says."""
        removed: list[SecretInfo] = []

        def decide(seen: Configuration) -> Edit:
            entry = seen.get(RowKind.SECRET, name)
            info = _named(seen, name)
            if entry is None or info is None:
                raise Missing(f"there is no secret {name}")
            expect(info.version)
            removed[:] = [info]
            return self._registry.removal(seen, entry)

        await self._registry.write(decide)
        for old in removed:
            await self._remove_value(old)

    async def describe(self, name: str) -> SecretInfo:
        """As the port says."""
        info = _named(await self._registry.newest(), name)
        if info is None:
            raise Missing(f"there is no secret {name}")
        return info

    async def list(self) -> list[SecretInfo]:
        """As the port says."""
        found = (await self._registry.newest()).of(RowKind.SECRET)
        return [each.model for each in found if isinstance(each.model, SecretInfo)]

    async def _news_of(self, name: str) -> SecretInfo:
        info = _named(await self._registry.news(), name)
        if info is None:
            raise Missing(f"there is no secret {name}")
        return info

    async def _open(self, info: SecretInfo) -> Secret:
        sealed = await self._rows.get(info.name, info.version)
        value = self._sealer.open(sealed, name=info.name, version=info.version)
        return Secret(info.name, value, info.version)

    async def _remove_value(self, info: SecretInfo) -> None:
        """Nobody refers to it any more. What cannot be removed now is left to tidying."""
        try:
            await self._rows.remove(info.name, info.version)
        except NexomaticError as error:
            log.warning("a replaced value of the secret %s is removed later: %s", info.name, error)


def _named(configuration: Configuration, name: str) -> SecretInfo | None:
    entry = configuration.get(RowKind.SECRET, name)
    return entry.model if entry is not None and isinstance(entry.model, SecretInfo) else None
