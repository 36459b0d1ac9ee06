"""The hub as keeper of secret values: encrypted in its own storage, on either storage engine, a row for each version.

A value that nobody refers to (its put or its removal was cut off) is removed by `tidying.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from hub.clock import Clock
from hub.errors import Invalid
from hub.secrets.port import Secret
from hub.secrets.sealing import Sealer
from hub.storage.secret_rows import SecretRows

VERSION_BITS: Final = 128


class EmbeddedValues:
    """Carries `Values` over rows."""

    def __init__(self, rows: SecretRows, sealer: Sealer, clock: Clock, randomness: Callable[[], int]) -> None:
        self._rows = rows
        self._sealer = sealer
        self._clock = clock
        self._randomness = randomness

    async def add(self, name: str, value: str | None, *, after: str | None) -> str:  # noqa: ARG002 - each has a row of its own
        """As the port says. One operation."""
        if value is None:
            raise Invalid("a secret that the hub keeps has a value")
        version = f"{self._randomness() & (1 << VERSION_BITS) - 1:032x}"
        sealed = self._sealer.seal(value, name=name, version=version)
        await self._rows.put(name, version, sealed, self._clock.now().replace(microsecond=0))
        return version

    async def read(self, name: str, version: str) -> Secret:
        """As the port says. One operation."""
        sealed = await self._rows.get(name, version)
        return Secret(name, self._sealer.open(sealed, name=name, version=version), version)

    async def retire(self, name: str, version: str) -> None:
        """As the port says. One operation."""
        await self._rows.remove(name, version)

    async def remove(self, name: str, versions: Sequence[str]) -> None:
        """As the port says. One operation for each."""
        for version in versions:
            await self._rows.remove(name, version)
