"""Secrets kept for a minute in the process that reads them often: who verifies webhooks asks here.

A value is at most 60 s older than the engine's answer would be, so that a flood of deliveries costs one read a minute.
A put or a delete through this process is in force at once. What sinks are given does not come from here: the release
asks the engine itself, whose answer is at most 5 s old.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, TypeAlias

from hub.clock import Clock
from hub.errors import Missing
from hub.model.secret import SecretInfo
from hub.secrets.port import Expect, Secret, Secrets, whatever_is_there

FRESH_SECONDS: Final = 60.0
MISSING_SECONDS: Final = 5.0
"""How long a secret that is not there stays unknown: whoever puts it through another process waits no longer."""

Flight: TypeAlias = asyncio.Task[Secret]


@dataclass(frozen=True, slots=True)
class _Kept:
    found: Secret | Missing
    until: float


class CachedSecrets:
    """The port over another, with memory. One per process."""

    def __init__(self, inner: Secrets, clock: Clock, seconds: float = FRESH_SECONDS) -> None:
        self._inner = inner
        self._clock = clock
        self._seconds = seconds
        self._kept: dict[str, _Kept] = {}
        self._flights: dict[str, Flight] = {}

    async def get(self, name: str) -> Secret:
        """As the port says. All who ask for one name at once share one read, its error too; errors are not kept."""
        key = name.casefold()
        kept = self._kept.get(key)
        if kept is not None and self._clock.monotonic() < kept.until:
            return _said(kept.found)
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(self._read(key, name), name="read a secret")
            flight.add_done_callback(lambda done: self._landed(key, done))
        # Shielded: who is cancelled while waiting does not take the answer away from the others.
        return await asyncio.shield(flight)

    async def put(
        self, name: str, value: str, description: str = "", *, by: str = "", expect: Expect = whatever_is_there
    ) -> SecretInfo:
        """As the port says; the next reader in this process is given the new value."""
        try:
            return await self._inner.put(name, value, description, by=by, expect=expect)
        finally:
            self._invalidate(name)  # also after an error: it may have taken effect

    async def delete(self, name: str, *, expect: Expect = whatever_is_there) -> None:
        """As the port says; the next reader in this process is told that it is gone."""
        try:
            await self._inner.delete(name, expect=expect)
        finally:
            self._invalidate(name)

    async def describe(self, name: str) -> SecretInfo:
        """As the port says; never from memory."""
        return await self._inner.describe(name)

    async def list(self) -> list[SecretInfo]:
        """As the port says; never from memory."""
        return await self._inner.list()

    async def _read(self, key: str, name: str) -> Secret:
        began = self._clock.monotonic()
        try:
            found = await self._inner.get(name)
        except Missing as error:
            self._keep(key, _Kept(error, began + min(MISSING_SECONDS, self._seconds)))
            raise
        self._keep(key, _Kept(found, began + self._seconds))
        return found

    def _keep(self, key: str, kept: _Kept) -> None:
        if self._flights.get(key) is not asyncio.current_task():
            return  # it began before a change through this process, and may not show it
        now = self._clock.monotonic()
        self._kept = {each: known for each, known in self._kept.items() if known.until > now}
        self._kept[key] = kept

    def _landed(self, key: str, flight: Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    def _invalidate(self, name: str) -> None:
        self._kept.pop(name.casefold(), None)
        self._flights.pop(name.casefold(), None)


def _said(found: Secret | Missing) -> Secret:
    if isinstance(found, Missing):
        raise type(found)(str(found))
    return found
