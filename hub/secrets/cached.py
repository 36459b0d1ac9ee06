"""Secrets kept for a minute in the process that reads them often: who verifies webhooks asks here.

A value is at most 60 s older than the engine's answer would be, so that a flood of deliveries costs one read a minute.
A put or a delete through this process is in force at once. What sinks are given does not come from here: the release
asks the engine itself.
"""

from __future__ import annotations

from typing import Final

from hub.clock import Clock
from hub.model.secret import SecretInfo
from hub.secrets.memory import Memory
from hub.secrets.port import Expect, Secret, Secrets, whatever_is_there

FRESH_SECONDS: Final = 60.0


class CachedSecrets:
    """The port over another, with memory. One per process."""

    def __init__(self, inner: Secrets, clock: Clock, seconds: float = FRESH_SECONDS) -> None:
        self._inner = inner
        self._memory: Memory[Secret] = Memory(clock, seconds)

    async def get(self, name: str) -> Secret:
        """As the port says. All who ask for one name at once share one read, its error too; errors are not kept."""
        return await self._memory.get(name.casefold(), lambda: self._inner.get(name))

    async def put(
        self, name: str, value: str | None, description: str = "", *, by: str = "", expect: Expect = whatever_is_there
    ) -> SecretInfo:
        """As the port says; the next reader in this process is given the new value."""
        try:
            return await self._inner.put(name, value, description, by=by, expect=expect)
        finally:
            self._memory.forget(name.casefold())  # also after an error: it may have taken effect

    async def restore(self, name: str, version: str, *, by: str = "", expect: Expect = whatever_is_there) -> SecretInfo:
        """As the port says; the next reader in this process is given the value that stands again."""
        try:
            return await self._inner.restore(name, version, by=by, expect=expect)
        finally:
            self._memory.forget(name.casefold())

    async def delete(self, name: str, *, expect: Expect = whatever_is_there) -> None:
        """As the port says; the next reader in this process is told that it is gone."""
        try:
            await self._inner.delete(name, expect=expect)
        finally:
            self._memory.forget(name.casefold())

    async def describe(self, name: str) -> SecretInfo:
        """As the port says; never from memory."""
        return await self._inner.describe(name)

    async def list(self) -> list[SecretInfo]:
        """As the port says; never from memory."""
        return await self._inner.list()
