"""A source's rate across processes: exact within a tenth, and cheap. On virtual time, over the in-memory engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from random import Random

import pytest

from hub.errors import TooMany, Unavailable
from hub.limits.source_rate import SourceRates
from hub.limits.token_rows import TokenRows
from hub.rules.token_bucket import Rate
from hub.storage.embedded import open_embedded
from hub.storage.ports import Storage
from tests.simulation.faults import Fault, Faultless, Faults, Plan, Script, Strike
from tests.simulation.faulty_storage import Channel, FaultyStorage
from tests.simulation.process import Process
from tests.simulation.trace import Trace
from tests.simulation.virtual_loop import VirtualClock, VirtualLoop

PROCESSES = 4
HUNDRED = Rate(limit=100, per_seconds=60, burst=50)
RATES = [HUNDRED, Rate(20, 1, 200), Rate(5, 1, 5), Rate(60, 60, 1), Rate(1000, 3600, 100)]


class Hubs:
    """Several processes over one storage, each with a clock of its own, and when requests were let pass.

    Every operation takes a moment, so that others come between.
    """

    def __init__(
        self,
        storage: Storage,
        rate: Rate,
        clocks: tuple[float, ...] = (0.0,) * PROCESSES,
        plan: Plan = Faultless(),  # noqa: B008 - it has no state
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.faults = Faults(plan, ())
        self.rate = rate
        self.storage = storage
        self.passed: list[float] = []
        self.refused = 0
        self.retry_after: list[float] = []
        self.rates = [self._process(offset, number) for number, offset in enumerate(clocks)]

    def _process(self, offset: float, number: int) -> SourceRates:
        clock, draw = VirtualClock(self.loop, offset), Random(number)
        channel = Channel(Process(f"hub-{number}"), self.faults, Random(number), Trace(self.loop))
        tables = FaultyStorage(self.storage, channel, timedelta(0)).tables
        return SourceRates(TokenRows(tables, lambda: cut(clock), lambda: draw.getrandbits(128)), clock)

    async def ask(self, process: int) -> bool:
        try:
            await self.rates[process].take("hook", self.rate)
        except TooMany as error:
            self.refused += 1
            self.retry_after.append(error.retry_after_seconds)
            return False
        self.passed.append(self.loop.time())
        return True

    async def ask_for(self, process: int, seconds: float, gap: Callable[[], float]) -> None:
        """One request after the other, each some time behind the last."""
        while self.loop.time() < seconds:
            await self.ask(process)
            await asyncio.sleep(gap())

    def most_in(self, seconds: float) -> int:
        """The most that passed in any stretch of so many seconds."""
        most, first = 0, 0
        for last, at in enumerate(self.passed):
            while self.passed[first] < at - seconds:
                first += 1
            most = max(most, last - first + 1)
        return most

    @property
    def operations(self) -> int:
        return self.storage.operations.total


def cut(clock: VirtualClock) -> datetime:
    now = clock.now()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def virtually(body: Callable[[Storage], Awaitable[None]]) -> None:
    loop = VirtualLoop()

    async def main() -> None:
        storage = open_embedded(None, VirtualClock(loop))
        await storage.prepare()
        await body(storage)
        await storage.close()

    loop.run(main())


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_four_processes_that_are_flooded_let_pass_what_the_rate_says(rate: Rate) -> None:
    async def body(storage: Storage) -> None:
        hubs = Hubs(storage, rate)
        seconds = max(20.0, 3 * rate.burst / rate.per_second)
        gap = min(1.0, 0.3 / rate.per_second)
        await asyncio.gather(
            *(hubs.ask_for(number, seconds, partial(Random(number).expovariate, 1 / gap)) for number in range(4))
        )
        due = rate.burst + rate.per_second * seconds
        assert 0.9 * due <= len(hubs.passed) <= due + 1
        for window in (1.0, 10.0, 60.0):
            assert hubs.most_in(window) <= 1.1 * rate.burst + rate.per_second * window + 1

    virtually(body)


@pytest.mark.parametrize("seed", range(12))
def test_however_uneven_the_requests_come_no_window_has_a_tenth_of_the_burst_too_many(seed: int) -> None:
    rng = Random(seed)
    rate = Rate(rng.choice((30, 100, 600)), 60, rng.choice((1, 7, 50, 300)))

    async def body(storage: Storage) -> None:
        hubs = Hubs(storage, rate)

        async def bursts(process: int) -> None:
            own = Random(f"{seed}/{process}")
            while hubs.loop.time() < 300:
                for _ in range(own.choice((1, 1, 3, 40))):
                    await hubs.ask(process)
                await asyncio.sleep(own.expovariate(own.choice((10, 1, 0.1))))

        await asyncio.gather(*(bursts(number) for number in range(PROCESSES)))
        for window in (0.0, 1.0, 5.0, 60.0, 300.0):
            assert hubs.most_in(window) <= 1.1 * rate.burst + rate.per_second * window + 1, window

    virtually(body)


def test_who_is_alone_gets_all_of_it_beside_others_that_ask_now_and_then() -> None:
    """What the others reserve and do not use is little."""

    async def body(storage: Storage) -> None:
        hubs = Hubs(storage, HUNDRED)
        quiet = [hubs.ask_for(number, 600, lambda: 20.0) for number in range(1, 4)]
        await asyncio.gather(hubs.ask_for(0, 600, lambda: 0.1), *quiet)
        assert len(hubs.passed) >= 0.9 * (50 + 600 * 100 / 60)

    virtually(body)


def test_below_the_limit_a_request_costs_less_than_one_operation() -> None:
    rate = Rate(limit=6000, per_seconds=60, burst=500)

    async def body(storage: Storage) -> None:
        hubs = Hubs(storage, rate)
        await hubs.ask_for(0, 1, lambda: 1 / 80)
        before, passed = hubs.operations, len(hubs.passed)
        await hubs.ask_for(0, 31, lambda: 1 / 80)
        assert hubs.refused == 0
        assert (hubs.operations - before) / (len(hubs.passed) - passed) < 0.2

    virtually(body)


def test_over_the_limit_a_process_reads_at_most_once_a_second() -> None:
    async def body(storage: Storage) -> None:
        hubs = Hubs(storage, HUNDRED)
        while await hubs.ask(0):
            pass
        before = storage.operations.by_kind()
        await hubs.ask_for(0, 60, lambda: 0.01)
        spent = storage.operations.by_kind() - before
        assert spent["table.get"] <= 61
        assert hubs.refused > 5000

    virtually(body)


def test_a_burst_at_one_moment_passes_whole_and_one_more_does_not() -> None:
    async def body(storage: Storage) -> None:
        hubs = Hubs(storage, HUNDRED)
        answers = await asyncio.gather(*(hubs.ask(number % PROCESSES) for number in range(80)))
        assert sum(answers) == 50
        assert hubs.operations < 50, "those who wait at the same time share a lot"
        assert all(0 < seconds <= 1.5 for seconds in hubs.retry_after)

    virtually(body)


def test_tokens_that_were_held_too_long_are_not_used() -> None:
    async def body(storage: Storage) -> None:
        hubs = Hubs(storage, HUNDRED)
        for _ in range(10):  # in lots of 1, 2, 4 and 5, so that two are left
            await hubs.ask(0)
        await asyncio.sleep(40)  # the bucket is full again, and what is held has expired
        answers = await asyncio.gather(*(hubs.ask(number % PROCESSES) for number in range(80)))
        assert sum(answers) == 50

    virtually(body)


def test_another_rate_is_in_force_at_once() -> None:
    async def body(storage: Storage) -> None:
        hubs = Hubs(storage, HUNDRED)
        while await hubs.ask(0):
            pass
        hubs.rate = Rate(limit=1000, per_seconds=1, burst=50)
        await asyncio.sleep(0.01)
        assert await hubs.ask(0)

    virtually(body)


def test_clocks_apart_by_what_hubs_may_be_give_no_second_out_twice() -> None:
    async def body(storage: Storage) -> None:
        hubs = Hubs(storage, HUNDRED, clocks=(1.9, -1.9, 0.0, 1.0))
        gap = lambda: 0.05  # noqa: E731
        await asyncio.gather(*(hubs.ask_for(number, 300, gap) for number in range(PROCESSES)))
        due = 50 + 300 * 100 / 60
        assert 0.9 * due <= len(hubs.passed) <= due + 1.9 * 100 / 60 + 1

    virtually(body)


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.DUPLICATE])
def test_a_write_whose_answer_is_lost_is_recognised_or_costs_its_lot_alone(fault: Fault) -> None:
    """The SDK repeats it and meets its own write; or storage does not answer, and the caller is told so."""

    async def body(storage: Storage) -> None:
        script = Script(Strike("table.replace rates", 2, fault, 1.0))
        hubs = Hubs(storage, Rate(limit=1, per_seconds=3600, burst=30), clocks=(0.0,), plan=script)
        unanswered = 0
        while True:
            try:
                if not await hubs.ask(0):
                    break
            except Unavailable:
                unanswered += 1
        assert [hit.fault for hit in hubs.faults.hits] == [fault]
        assert unanswered == (fault is Fault.LOST)
        assert 30 - 3 * unanswered <= len(hubs.passed) <= 30

    virtually(body)


def test_refusals_are_told_when_to_come_again_and_then_are_let_pass() -> None:
    async def body(storage: Storage) -> None:
        hubs = Hubs(storage, Rate(limit=1, per_seconds=30, burst=1))
        assert await hubs.ask(0)
        assert not await hubs.ask(1)
        assert 26.9 < hubs.retry_after[0] <= 27, "a tenth of the burst may lie ready beside it"
        await asyncio.sleep(hubs.retry_after[0])
        assert await hubs.ask(1)
        assert all(later - earlier >= 27 for earlier, later in pairwise(hubs.passed))

    virtually(body)
