"""A Key Vault as keeper of secret values: what the hub puts there, and what somebody else does.

Every name in the vault begins with a prefix of the hub's, so that nothing else there can be named. A version that the
hub has put never changes: it is remembered for five minutes, and the configuration says which one stands. What somebody
else puts is the newest there, at most two minutes old.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from hub.clock import Clock
from hub.errors import FieldError, Invalid, Missing, Rejected
from hub.model.secret import Keeper
from hub.secrets.memory import Memory
from hub.secrets.port import Secret, Unreadable, Values

FRESH_SECONDS: Final = 300.0
"""How long a value is remembered that cannot change; whoever disables it in the vault waits so long."""
NEWEST_FRESH_SECONDS: Final = 120.0
MOST_NAME: Final = 127
"""Of a name in a vault."""


class Stored(Protocol):
    """One version in the vault."""

    @property
    def value(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def ours(self) -> bool: ...


class Calls(Protocol):
    """What a vault can be asked; see vault.py, which alone knows the SDK."""

    async def read(self, name: str, version: str = "") -> Stored: ...
    async def write(self, name: str, value: str) -> str: ...
    async def disable(self, name: str, version: str) -> None: ...
    async def delete(self, name: str) -> None: ...


def keepers(vault: Calls, prefix: str, clock: Clock) -> dict[Keeper, Values]:
    """The two keepers that a vault is."""
    return {Keeper.VAULT: VaultValues(vault, prefix, clock), Keeper.ELSEWHERE: ForeignValues(vault, prefix, clock)}


class VaultValues:
    """Carries `Values` over a vault, for what the hub puts there."""

    def __init__(self, vault: Calls, prefix: str, clock: Clock) -> None:
        self._vault = vault
        self._prefix = prefix
        self._memory: Memory[Secret] = Memory(clock, FRESH_SECONDS)

    async def add(self, name: str, value: str | None, *, new: bool) -> str:
        """As the port says. One call; for a new name two: nobody else's secret is overwritten."""
        there = _there(self._prefix, name)
        if value is None:
            raise Invalid("a secret that the hub puts has a value")
        left_over = await self._left_over(there) if new else None
        version = await self._vault.write(there, value)
        if left_over is not None:
            await self._vault.disable(there, left_over)
        return version

    async def read(self, name: str, version: str) -> Secret:
        """As the port says. One call in five minutes."""
        there = _there(self._prefix, name)

        async def read() -> Secret:
            found = await self._vault.read(there, version)
            return Secret(name, found.value, version)

        return await self._memory.get(f"{name.casefold()}/{version}", read)

    async def retire(self, name: str, version: str) -> None:
        """As the port says. One call."""
        self._memory.forget(f"{name.casefold()}/{version}")
        await self._vault.disable(_there(self._prefix, name), version)

    async def remove(self, name: str, versions: Sequence[str]) -> None:
        """As the port says. One call for all of them."""
        for version in versions:
            self._memory.forget(f"{name.casefold()}/{version}")
        await self._vault.delete(_there(self._prefix, name))

    async def _left_over(self, there: str) -> str | None:
        """The version that a put or a delete of ours left behind, cut off. Raises `Rejected` for somebody else's."""
        try:
            found = await self._vault.read(there)
        except Unreadable:
            raise Rejected(f"the key vault has a secret {there} already, which is disabled: delete it there") from None
        except Missing:
            return None
        if not found.ours:
            raise Rejected(
                f"the key vault has a secret {there} already, which the hub has not put: to read it as it is, "
                "put null as the value; to replace it, delete it there"
            )
        return found.version


class ForeignValues:
    """Carries `Values` over a vault, for what somebody else puts there: it is only ever read."""

    def __init__(self, vault: Calls, prefix: str, clock: Clock) -> None:
        self._vault = vault
        self._prefix = prefix
        self._memory: Memory[Secret] = Memory(clock, NEWEST_FRESH_SECONDS)

    async def add(self, name: str, value: str | None, *, new: bool) -> str:  # noqa: ARG002 - reading is all there is
        """The newest version that is there. Raises `Rejected` if there is none. One call."""
        assert value is None, "only the hub's own are put"
        there = _there(self._prefix, name)
        self._memory.forget(name.casefold())
        try:
            return (await self._vault.read(there)).version
        except Missing as error:
            raise Rejected(f"{error}: somebody has to put it there first") from None

    async def read(self, name: str, version: str) -> Secret:  # noqa: ARG002 - the newest stands, whichever that is
        """As the port says. One call in two minutes."""
        there = _there(self._prefix, name)

        async def read() -> Secret:
            found = await self._vault.read(there)
            return Secret(name, found.value, found.version)

        return await self._memory.get(name.casefold(), read)

    async def retire(self, name: str, version: str) -> None:
        """Not the hub's to end."""

    async def remove(self, name: str, versions: Sequence[str]) -> None:  # noqa: ARG002 - it is not the hub's
        """The hub forgets it; in the vault it stays."""
        self._memory.forget(name.casefold())


def _there(prefix: str, name: str) -> str:
    """Its name in the vault. Raises `Invalid` for one that is too long there."""
    if len(prefix) + len(name) > MOST_NAME:
        what = f"is {len(name)} characters long; with a key vault at most {MOST_NAME - len(prefix)} are allowed"
        raise Invalid(f"the name {what}", [FieldError("name", what)])
    return prefix + name
