"""A Key Vault as keeper of secret values: what the hub puts there, and what somebody else does.

Every name in the vault begins with a prefix of the hub's, so that nothing else there can be named. A version that the
hub has put never changes: it is remembered for five minutes, and the configuration says which one stands. What somebody
else puts is the newest there, at most two minutes old.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from hub.clock import Clock
from hub.errors import FieldError, Invalid, Missing, Rejected
from hub.model.secret import Keeper
from hub.secrets.memory import Memory
from hub.secrets.port import Secret, Values

FRESH_SECONDS: Final = 300.0
"""How long a value is remembered that cannot change; whoever disables it in the vault waits so long."""
NEWEST_FRESH_SECONDS: Final = 120.0
PLACE_BITS: Final = 48
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


def keepers(vault: Calls, prefix: str, clock: Clock, randomness: Callable[[], int]) -> dict[Keeper, Values]:
    """The two keepers that a vault is. `randomness`: 48 bits or more."""
    return {
        Keeper.VAULT: VaultValues(vault, prefix, clock, randomness),
        Keeper.ELSEWHERE: ForeignValues(vault, prefix, clock),
    }


class VaultValues:
    """Carries `Values` over a vault, for what the hub puts there.

    Whoever makes a secret draws a place for it, the end of its name in the vault, and every version names its place: a
    deletion that takes effect late, or for a while, never meets the secret of this name that was made after it.
    """

    def __init__(self, vault: Calls, prefix: str, clock: Clock, randomness: Callable[[], int]) -> None:
        self._vault = vault
        self._prefix = prefix
        self._randomness = randomness
        self._memory: Memory[Secret] = Memory(clock, FRESH_SECONDS)

    async def add(self, name: str, value: str | None, *, after: str | None) -> str:
        """As the port says. One call."""
        if value is None:
            raise Invalid("a secret that the hub puts has a value")
        place = _place(after) if after is not None else f"{self._randomness() & (1 << PLACE_BITS) - 1:012x}"
        version = await self._vault.write(_there(self._prefix, name, place), value)
        return f"{place}.{version}"

    async def read(self, name: str, version: str) -> Secret:
        """As the port says. One call in five minutes."""

        async def read() -> Secret:
            there = _there(self._prefix, name, _place(version))
            return Secret(name, (await self._vault.read(there, _vaults_own(version))).value, version)

        return await self._memory.get(version, read)

    async def retire(self, name: str, version: str) -> None:
        """As the port says. One call."""
        self._memory.forget(version)
        await self._vault.disable(_there(self._prefix, name, _place(version)), _vaults_own(version))

    async def remove(self, name: str, versions: Sequence[str]) -> None:
        """As the port says. One call, nearly always."""
        for version in versions:
            self._memory.forget(version)
        for place in {_place(version) for version in versions}:
            await self._vault.delete(_there(self._prefix, name, place))


class ForeignValues:
    """Carries `Values` over a vault, for what somebody else puts there: it is only ever read."""

    def __init__(self, vault: Calls, prefix: str, clock: Clock) -> None:
        self._vault = vault
        self._prefix = prefix
        self._memory: Memory[Secret] = Memory(clock, NEWEST_FRESH_SECONDS)

    async def add(self, name: str, value: str | None, *, after: str | None) -> str:  # noqa: ARG002 - reading is all there is
        """The newest version that is there. Raises `Rejected` if there is none, or a hub has put it. One call."""
        assert value is None, "only the hub's own are put"
        there = _there(self._prefix, name)
        self._memory.forget(name.casefold())
        try:
            found = await self._vault.read(there)
        except Missing as error:
            raise Rejected(f"{error}: somebody has to put it there first") from None
        if found.ours:  # under a second name it could be given out past whoever asks the audit for the first
            raise Rejected(f"{there} in the key vault was put by a hub: name it as it is named there")
        return found.version

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


def _there(prefix: str, name: str, place: str | None = None) -> str:
    """Its name in the vault. Raises `Invalid` for one that is too long there."""
    end = "" if place is None else f"-{place}"
    most = MOST_NAME - len(prefix) - len(end)
    if len(name) > most:
        what = f"is {len(name)} characters long; with a key vault at most {most} are allowed"
        raise Invalid(f"the name {what}", [FieldError("name", what)])
    return f"{prefix}{name}{end}"


def _place(version: str) -> str:
    return version.partition(".")[0]


def _vaults_own(version: str) -> str:
    return version.partition(".")[2]
