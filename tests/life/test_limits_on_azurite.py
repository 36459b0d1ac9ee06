"""The limits of four hubs that share one storage account: each has a connection of its own, as four processes have.

Real processes, for longer: `tests/soak/limits.py`. Counts are compared with the time that really passed, and a bucket
is large enough that a machine which stands still for seconds loses nothing.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from hub.clock import SystemClock
from hub.errors import TooMany
from hub.limits.slots import Slots
from hub.limits.source_rate import SourceRates
from hub.limits.start_rate import StartRates
from hub.limits.token_rows import TokenRows
from hub.rules.token_bucket import Rate, per_minute
from hub.storage.azure import open_azure
from hub.storage.ports import Storage
from tests.contract.rig import unique

pytestmark = pytest.mark.azurite
HUBS = 4
SECONDS = 2.0
RATE = Rate(limit=40, per_seconds=10, burst=60)


@pytest.fixture
async def storages(azurite: str) -> AsyncIterator[list[Storage]]:
    async with AsyncExitStack() as stack:
        made: list[Storage] = []
        for _ in range(HUBS):
            storage = await open_azure(azurite)
            stack.push_async_callback(storage.close)
            made.append(storage)
        await made[0].prepare()
        yield made


def rows(storage: Storage) -> TokenRows:
    clock = SystemClock()

    def now():  # type: ignore[no-untyped-def]
        at = clock.now()
        return at.replace(microsecond=at.microsecond // 1000 * 1000)

    return TokenRows(storage.tables, now, lambda: secrets.randbits(128))


async def passed(asks: list[Callable[[], Awaitable[bool]]]) -> tuple[int, float]:
    """How many were let pass until the time was over and everybody had been refused; and in how many seconds."""
    loop = asyncio.get_running_loop()
    begins = loop.time()
    count = 0

    async def hub(ask: Callable[[], Awaitable[bool]]) -> None:
        nonlocal count
        over = False
        while not over:
            let_pass = await ask()
            count += let_pass
            over = not let_pass and loop.time() - begins >= SECONDS
            await asyncio.sleep(0.005)

    await asyncio.gather(*map(hub, asks))
    return count, loop.time() - begins


async def test_a_sources_rate_holds_within_a_tenth(storages: list[Storage]) -> None:
    name = unique("hook")

    def asking(storage: Storage) -> Callable[[], Awaitable[bool]]:
        rates = SourceRates(rows(storage), SystemClock())

        async def ask() -> bool:
            try:
                await rates.take(name, RATE)
            except TooMany:
                return False
            return True

        return ask

    count, seconds = await passed([asking(storage) for storage in storages])
    due = RATE.burst + RATE.per_second * seconds
    assert 0.9 * due - 1 <= count <= 1.1 * due


async def test_the_starts_of_a_minute_are_never_too_many(storages: list[Storage]) -> None:
    name, most = unique("TYPE"), 720

    def asking(storage: Storage) -> Callable[[], Awaitable[bool]]:
        rates = StartRates(rows(storage), SystemClock())

        async def ask() -> bool:
            return await rates.take(name, most) is None

        return ask

    count, seconds = await passed([asking(storage) for storage in storages])
    due = per_minute(most).burst + per_minute(most).per_second * seconds
    assert 0.9 * due - 1 <= count <= due + 1


async def test_no_more_slots_are_given_than_there_are(storages: list[Storage]) -> None:
    name = unique("TYPE")
    slots = [Slots(storage.tables, timedelta(seconds=5)) for storage in storages]
    now = SystemClock().now()

    async def take(number: int) -> int | None:
        until = now + timedelta(seconds=30)
        return await slots[number % HUBS].take(name, 3, f"claim-{number}", now=now, until=until)

    taken = await asyncio.gather(*map(take, range(12)))
    assert sorted(each for each in taken if each is not None) == [0, 1, 2]
    holder = taken.index(1)
    await slots[0].release(name, 1, f"claim-{holder}")
    again = await asyncio.gather(*map(take, range(12, 20)))
    assert [each for each in again if each is not None] == [1]
