"""A slot is freed by who ends the attempt, whoever else is writing its row at that moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.clock import SystemClock
from hub.errors import Superseded
from hub.limits.slots import Slots
from hub.storage.embedded import open_embedded
from hub.storage.ports import Storage, Tables

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LEASE = timedelta(seconds=30)


class Interrupted:
    """Tables in which something else happens right before the first delete."""

    def __init__(self, tables: Tables, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self._tables = tables
        self._meanwhile: Callable[[], Awaitable[None]] | None = meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tables, name)

    async def delete(self, table: str, partition: str, key: str, etag: str) -> None:
        if self._meanwhile is not None:
            meanwhile, self._meanwhile = self._meanwhile, None
            await meanwhile()
        await self._tables.delete(table, partition, key, etag)


async def release(slots: Slots) -> None:
    await slots.release("A", 0, "mine")


async def release_of(slots: Slots) -> None:
    await slots.release_of("A", "mine")


@pytest.mark.parametrize("free", [release, release_of])
async def test_a_slot_is_freed_though_a_renewal_is_under_way(free: Callable[[Slots], Awaitable[None]]) -> None:
    storage = await opened()
    slots = Slots(storage.tables, timedelta(seconds=5))
    assert await slots.take("A", 1, "mine", now=AT, until=AT + LEASE) == 0

    async def renewed() -> None:
        await slots.renew("A", 0, "mine", AT + 2 * LEASE)

    await free(Slots(Interrupted(storage.tables, renewed), timedelta(seconds=5)))
    assert await slots.take("A", 1, "another", now=AT, until=AT + LEASE) == 0
    with pytest.raises(Superseded):
        await slots.renew("A", 0, "mine", AT + 2 * LEASE)
    await storage.close()


@pytest.mark.parametrize("free", [release, release_of])
async def test_a_slot_that_another_claim_took_meanwhile_is_not_freed(free: Callable[[Slots], Awaitable[None]]) -> None:
    storage = await opened()
    slots = Slots(storage.tables, timedelta(seconds=5))
    assert await slots.take("A", 1, "mine", now=AT, until=AT + LEASE) == 0
    later = AT + 2 * LEASE

    async def taken() -> None:
        assert await slots.take("A", 1, "another", now=later, until=later + LEASE) == 0

    await free(Slots(Interrupted(storage.tables, taken), timedelta(seconds=5)))
    assert await slots.take("A", 1, "a third", now=later, until=later + LEASE) is None
    await storage.close()


async def opened() -> Storage:
    storage = open_embedded(None, SystemClock())
    await storage.prepare()
    return storage
