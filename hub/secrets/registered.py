"""The secrets of the hub, whoever keeps their values.

Which secrets there are, and which version of each stands, is part of the configuration: so that nobody can delete what
somebody else is just beginning to name, and every process knows within 5 s. The values lie apart, with a keeper: each
version says which. A put writes the value first and the configuration second; a delete takes the configuration first: a
process that dies between leaves at most a value that nobody refers to.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from hub.clock import Clock
from hub.errors import Missing, NexomaticError, Rejected, Unavailable
from hub.model.secret import Keeper, SecretInfo, SecretVersion
from hub.rules import names
from hub.secrets.port import Expect, Secret, Unreadable, Values, check, whatever_is_there
from hub.storage.configuration import Configuration, Edit, Entry, RowKind, Write

log = logging.getLogger(__name__)

Read: TypeAlias = Callable[[], Awaitable[Configuration]]
_GONE: Final = {
    Keeper.HUB: "in the hub's storage any more: put it again",
    Keeper.VAULT: "in the key vault any more: put it again",
    Keeper.ELSEWHERE: "in the key vault: whoever puts it there has to put it again",
}


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


class RegisteredSecrets:
    """Carries the port over one keeper of values or several. One per process."""

    def __init__(self, keepers: Mapping[Keeper, Values], writes_to: Keeper, registry: Registry, clock: Clock) -> None:
        """`writes_to` keeps what is put from now on; what another has stays there until it is put again."""
        self._keepers = keepers
        self._writes_to = writes_to
        self._registry = registry
        self._clock = clock

    async def get(self, name: str) -> Secret:
        """As the port says. At most 5 s old, and what a vault's keeper remembers (keyvault.py)."""
        info = _named(await self._registry.current(), name) or await self._news_of(name)
        while True:
            try:
                return await self._keeper(info).read(info.name, info.version)
            except Missing as error:
                # Replaced twice since this process last read the configuration: removed then, or disabled in a vault.
                newer = await self._news_of(name)
                if newer.version == info.version:
                    if isinstance(error, Unreadable):
                        raise
                    raise Missing(f"the value of the secret {name} is not {_GONE[info.keeper]}") from None
                info = newer

    async def put(
        self, name: str, value: str | None, description: str = "", *, by: str = "", expect: Expect = whatever_is_there
    ) -> SecretInfo:
        """As the port says."""
        names.check_secret_name(name) if value is None else check(name, value)
        keeper = self._writes_to if value is not None else Keeper.ELSEWHERE
        before = _named(await self._registry.newest(), name)
        expect(before.version if before else None)
        _check_handover(before, keeper)
        values = self._keepers.get(keeper)
        if values is None:
            raise Rejected(f"the secret {name} needs a value: this hub knows no key vault where somebody else puts it")
        after = before.version if before is not None and before.keeper is keeper else None
        version = await values.add(name, value, after=after)
        return await self._record(
            SecretInfo(
                name=name,
                description=description,
                version=version,
                changed_at=self._clock.now().replace(microsecond=0),
                changed_by=by,
                keeper=keeper,
            ),
            expect,
        )

    async def restore(self, name: str, version: str, *, by: str = "", expect: Expect = whatever_is_there) -> SecretInfo:
        """As the port says."""
        made: list[SecretInfo] = []

        def decide(seen: Configuration) -> Edit:
            before = _named(seen, name)
            if before is None:
                raise Missing(f"there is no secret {name}")
            if before.version == version:
                made[:] = [before]  # perhaps the second try of one whose answer was lost
                return Edit()
            expect(before.version)
            made[:] = [_restored(before, version)]
            now = self._clock.now().replace(microsecond=0)
            made[:] = [made[0].model_copy(update={"changed_at": now, "changed_by": by})]
            return Edit(put=[Entry(RowKind.SECRET, before.name, made[0])])

        await self._registry.write(decide)
        return made[0]

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
            await self._remove_values(old)

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

    async def _record(self, info: SecretInfo, expect: Expect) -> SecretInfo:
        """Let it stand from now on, and what it replaced be the one before it."""
        made: list[SecretInfo] = []
        dropped: list[SecretVersion] = []

        def decide(seen: Configuration) -> Edit:
            before = _named(seen, info.name)
            expect(before.version if before else None)
            _check_handover(before, info.keeper)
            keeps_one = before is not None and info.keeper is not Keeper.ELSEWHERE
            made[:] = [info.model_copy(update={"previous": before.standing}) if before and keeps_one else info]
            dropped[:] = [before.previous] if before and before.previous else []
            return Edit(put=[Entry(RowKind.SECRET, info.name, made[0])])

        try:
            await self._registry.write(decide)
        except Unavailable:
            raise  # the configuration may name it, or will
        except NexomaticError:
            await self._retire(info.name, info.standing)
            raise
        for old in dropped:
            await self._retire(info.name, old)
        return made[0]

    def _keeper(self, info: SecretInfo | SecretVersion) -> Values:
        try:
            return self._keepers[info.keeper]
        except KeyError:
            raise Unreadable("its value is in a key vault, and this hub knows none: see NEXOMATIC_KEY_VAULT") from None

    async def _retire(self, name: str, version: SecretVersion) -> None:
        try:
            await self._keeper(version).retire(name, version.version)
        except NexomaticError as error:
            log.warning("a replaced value of the secret %s is still kept: %s", name, error)

    async def _remove_values(self, info: SecretInfo) -> None:
        """Nobody refers to them any more."""
        versions = [info.standing, *([info.previous] if info.previous else [])]
        for keeper in {each.keeper for each in versions}:
            try:
                values = self._keeper(next(each for each in versions if each.keeper is keeper))
                await values.remove(info.name, [each.version for each in versions if each.keeper is keeper])
            except NexomaticError as error:
                log.warning("the value of the removed secret %s is still kept: %s", info.name, error)


def _restored(before: SecretInfo, version: str) -> SecretInfo:
    """The version before, as the one that stands. Raises `Rejected`."""
    if before.previous is None or before.previous.version != version:
        kept = f"version {before.previous.version} can be restored" if before.previous else "no earlier one is kept"
        raise Rejected(f"the secret {before.name} has no such version: {kept}")
    return before.model_copy(update={"version": version, "keeper": before.previous.keeper, "previous": before.standing})


def _check_handover(before: SecretInfo | None, keeper: Keeper) -> None:
    """Raises `Rejected` when a secret would go from the hub's hands to somebody else's, or back."""
    if before is None or (before.keeper is Keeper.ELSEWHERE) == (keeper is Keeper.ELSEWHERE):
        return
    if keeper is Keeper.ELSEWHERE:
        raise Rejected(f"the secret {before.name} is kept by this hub: to read somebody else's there, delete it first")
    raise Rejected(
        f"somebody else puts the secret {before.name} into the key vault: change it there, or delete it here"
    )


def _named(configuration: Configuration, name: str) -> SecretInfo | None:
    entry = configuration.get(RowKind.SECRET, name)
    return entry.model if entry is not None and isinstance(entry.model, SecretInfo) else None
