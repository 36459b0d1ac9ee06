"""Changes to the configuration, one after another: each is decided on what is there, and written only over that.

The version row is part of every write, under the ETag that was read: nobody can take away what somebody else is just
beginning to name. The new version is random, and so also tells whether a write whose answer was lost took effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from hub.configure.copy import ConfigurationCopy
from hub.errors import Changed, Exists, Invalid, Missing, Unavailable
from hub.storage.configuration import Configuration, ConfigurationRows, Decide, Edit
from hub.storage.ports import Tables

MOST_ROWS: Final = 99
"""What one transaction takes, beside the version row."""
_TRIES: Final = 30

Announce: TypeAlias = Callable[[Configuration, Edit], Awaitable[None]]
"""Told of what is about to be written, over what; raises what keeps it from being written."""


async def _nobody(_: Configuration, __: Edit) -> None:
    """Told of nothing."""


def check_size(edit: Edit) -> None:
    """Raises `Invalid` for more than one transaction takes."""
    if len(edit.put) + len(edit.remove) > MOST_ROWS:
        raise Invalid(f"at most {MOST_ROWS} documents can be changed at once")


class ConfigurationWriter:
    """Writes the configuration. One per process."""

    def __init__(
        self, tables: Tables, copy: ConfigurationCopy, randomness: Callable[[], int], announce: Announce = _nobody
    ) -> None:
        self._rows = ConfigurationRows(tables)
        self._copy = copy
        self._randomness = randomness
        self._announce = announce
        self._one_at_a_time = asyncio.Lock()  # those of one process need not make each other try again

    async def write(self, decide: Decide) -> str:
        """Carry out what `decide` says of the newest configuration, and answer the version that then stands.

        Raises what `decide` raises, `Invalid` for too many rows, `Unavailable` when storage does not confirm it; then
        it may have taken effect.
        """
        async with self._one_at_a_time:
            for _ in range(_TRIES):
                seen = await self._copy.newest()
                edit = decide(seen)
                if edit.is_nothing:
                    return seen.version
                version = f"{self._randomness() & (1 << 128) - 1:032x}"
                if await self._written(seen, edit, version):
                    return version
        raise Unavailable("the configuration is being changed by many at once; try again later")

    async def _written(self, seen: Configuration, edit: Edit, version: str) -> bool:
        """Whether it took effect; False: somebody else changed the configuration first."""
        check_size(edit)
        await self._announce(seen, edit)
        try:
            await self._rows.write(seen, edit, version)
        except (Changed, Exists, Missing):
            return await self._is(version)
        except Unavailable:
            if await self._is(version):
                return True
            raise
        finally:
            self._copy.invalidate()
        return True

    async def _is(self, version: str) -> bool:
        """Whether this is the version that stands: it was our own write, whose answer was lost."""
        return (await self._copy.newest()).version == version
