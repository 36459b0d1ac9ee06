"""The virtual loop itself: time jumps, order holds, and being stuck is said."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest

from tests.simulation.virtual_loop import EPOCH, Stuck, VirtualClock, VirtualLoop, seconds_at


def test_months_pass_at_once() -> None:
    loop = VirtualLoop()

    async def month() -> float:
        await asyncio.sleep(30 * 86_400)
        return loop.time()

    assert loop.run(month()) == pytest.approx(30 * 86_400)


def test_sleepers_wake_in_the_order_of_their_times() -> None:
    woken: list[float] = []

    async def sleeper(seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append(seconds)

    async def main() -> None:
        await asyncio.gather(*(sleeper(seconds) for seconds in (3, 1, 2, 0.5)))

    VirtualLoop().run(main())
    assert woken == [0.5, 1, 2, 3]


def test_a_time_out_is_virtual_too() -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await asyncio.Event().wait()

    before = time.process_time()
    VirtualLoop().run(main())
    assert time.process_time() - before < 60


def test_everybody_waiting_for_nothing_is_an_error() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stuck):
        VirtualLoop().run(main())


def test_being_busy_for_ever_is_an_error() -> None:
    async def main() -> None:
        while True:  # noqa: ASYNC110 - that is the mistake
            await asyncio.sleep(0)

    with pytest.raises(Stuck):
        VirtualLoop().run(main())


def test_clocks_differ_by_their_offset() -> None:
    loop = VirtualLoop()
    early, late = VirtualClock(loop, -1.5), VirtualClock(loop, 0.5)

    async def main() -> None:
        await asyncio.sleep(10)
        assert late.now() - early.now() == timedelta(seconds=2)
        assert early.monotonic() == late.monotonic() == pytest.approx(10)
        assert seconds_at(late.now()) == pytest.approx(10.5)

    loop.run(main())
    assert EPOCH.tzinfo is not None
