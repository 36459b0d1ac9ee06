"""What an answer costs does not grow with what there is: operations, rows, steps of SQLite, counted and not timed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from hub.clock import SystemClock
from hub.life.listing import Listing, Wanted
from hub.life.logs import Logs
from hub.life.newest_first import FIRST_PARTITIONS, MOST_ROWS
from hub.model.event import State
from hub.model.sink import Sink
from hub.storage.counting import counting
from hub.storage.embedded import EmbeddedStorage, open_embedded
from hub.storage.partition_index import PartitionIndex
from hub.wire import Poll
from tests.life.rig import SINK_TYPE, LifeRig, open_rig
from tests.simulation.virtual_loop import VirtualClock, VirtualLoop
from tests.size.filling import Story, fill
from tests.size.history import RARE, RARE_CORRELATION, type_name

NEWEST = datetime(2026, 11, 23, 11, 59, tzinfo=UTC)
STORY = Story(8000, NEWEST, timedelta(hours=16), queued=1000)
"""Dense enough that every question is answered from a few hours."""
HOUR = Story(8000, NEWEST, timedelta(minutes=58), queued=1000)
"""One partition."""


@dataclass(frozen=True)
class Cost:
    """What one answer took."""

    operations: Counter[str]
    rows: int
    """That storage handed over."""
    steps: int
    """Of SQLite's virtual machine, in thousands."""


class Meter:
    """Counts what storage does."""

    def __init__(self, storage: EmbeddedStorage) -> None:
        self._storage = storage
        self.rows = 0
        self.steps = 0
        for name in ("query", "search", "get"):
            setattr(storage._tables, name, self._counted(getattr(storage._tables, name)))

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        async def counted(*arguments: Any, **options: Any) -> Any:
            found = await call(*arguments, **options)
            self.rows += len(found) if isinstance(found, list) else len(getattr(found, "rows", (found,)))
            return found

        return counted

    async def of(self, call: Callable[[], Any]) -> Cost:
        def step() -> int:
            self.steps += 1
            return 0

        def arm(connection: sqlite3.Connection) -> None:
            connection.set_progress_handler(step, 1000)

        await self._storage._queries.run(arm)
        self.rows = self.steps = 0
        with counting() as operations:
            await call()
        return Cost(operations, self.rows, self.steps)


@asynccontextmanager
async def filled(story: Story) -> AsyncIterator[tuple[EmbeddedStorage, Meter, Listing]]:
    clock = SystemClock()
    storage = open_embedded(None, clock)
    await fill(storage, story)
    yield storage, Meter(storage), Listing(storage.tables, PartitionIndex(storage.tables), clock, timedelta(seconds=5))
    await storage.close()


QUESTIONS = {
    "the newest": (Wanted(), 50),
    "what waits": (Wanted(states=frozenset({State.QUEUED, State.RUNNING})), 50),
    "what failed": (Wanted(states=frozenset({State.ERROR})), 8),
    "of one type": (Wanted(event_type=type_name(7)), 50),
    "from one source": (Wanted(source="hook-2"), 50),
    "in a window": (Wanted(begin=NEWEST - timedelta(minutes=2), end=NEWEST - timedelta(minutes=1)), 200),
    "by a text": (Wanted(search="nightly-07"), 50),
    "something rare": (Wanted(event_type=RARE), 50),
    "an old correlation id": (Wanted(search=RARE_CORRELATION), 50),
    "on a rare sink": (Wanted(sink=RARE), 50),
    "what is done, behind all that waits": (Wanted(states=frozenset({State.SUCCESS})), 50),
}
"""What is wanted, and how many of it."""


@pytest.mark.parametrize("story", [STORY, HOUR], ids=["hours", "one hour"])
async def test_a_page_costs_no_more_with_a_longer_past(story: Story) -> None:
    """Of every question: against a past that is a quarter as long, with as much waiting."""
    short = Story(story.events // 4, story.newest, story.span / 4, story.queued)
    costs: dict[str, list[Cost]] = {words: [] for words in QUESTIONS}
    for each in (short, story):
        async with filled(each) as (_, meter, lists):
            for words, (wanted, limit) in QUESTIONS.items():
                costs[words].append(await meter.of(partial(lists.page, wanted, limit=limit)))
    for words, (with_little, with_much) in costs.items():
        assert with_much.operations.total() <= with_little.operations.total() + 3, words
        assert with_much.rows <= max(with_little.rows, MOST_ROWS) + FIRST_PARTITIONS, words
        assert with_much.steps <= with_little.steps * 1.5 + 20, words


async def test_reading_one_event_and_its_log_costs_the_same_wherever_it_lies() -> None:
    async with filled(Story(1000, NEWEST, timedelta(minutes=58), queued=10)) as (storage, _, lists):
        newest = (await lists.page(Wanted(states=frozenset({State.ERROR})), limit=1)).items[0]
        async with open_rig(storage, SystemClock()) as rig:
            logs: Logs = rig.hub.logs
            with counting() as spent:
                assert (await logs.read(newest.id, after=0)).lines
        assert spent == {"table.get": 1, "table.query": 1}


# --- polls with nothing to do -----------------------------------------------------------------------------------------

SECONDS = 300.0
POLL_SECONDS = 50.0


def _idle(sinks: int) -> Counter[str]:
    """What so many sinks that wait for five minutes ask of storage, on virtual time."""
    loop = VirtualLoop()
    clock = VirtualClock(loop)

    async def main() -> Counter[str]:
        async with open_rig(open_embedded(None, clock), clock, max_held_polls=sinks) as rig:
            polls = [asyncio.create_task(_poll_for_ever(rig, f"sink-{number}")) for number in range(sinks)]
            await asyncio.sleep(1)
            before = rig.hub.storage.operations.by_kind()
            await asyncio.sleep(SECONDS)
            spent = rig.hub.storage.operations.by_kind() - before
            assert rig.hub.polls.holding == sinks
            for each in polls:
                each.cancel()
            await asyncio.gather(*polls, return_exceptions=True)
            return spent

    return loop.run(main())


async def _poll_for_ever(rig: LifeRig, name: str) -> None:
    sink = Sink(name=name, sink_type=SINK_TYPE, enrolled_at=rig.clock.now())
    while True:
        answer = await rig.hub.polls.poll(sink, Poll(slots=2, version="1", instance="instance-1"))
        assert (answer.tasks, answer.settings.hold, answer.settings.pause) == ((), POLL_SECONDS, 0)


@pytest.mark.parametrize("sinks", [1, 300])
def test_sinks_that_wait_share_one_receive_a_second(sinks: int) -> None:
    spent = _idle(sinks)
    shared = SECONDS + SECONDS / 5  # and one of the overflow every five
    assert shared * 0.95 <= spent["queue.receive"] <= shared * 1.05
    assert spent["table.replace"] == sinks * SECONDS / POLL_SECONDS  # presence, with each poll: less often than 30 s
    assert spent["table.get"] <= SECONDS / 5 + 1  # the configuration's version
    assert set(spent) == {"queue.receive", "table.replace", "table.get"}


def test_a_sink_that_comes_often_is_noted_every_thirty_seconds() -> None:
    loop = VirtualLoop()
    clock = VirtualClock(loop)

    async def main() -> None:
        async with open_rig(open_embedded(None, clock), clock) as rig:
            sink = Sink(name="sink-1", sink_type=SINK_TYPE, enrolled_at=clock.now())
            for _ in range(300):
                await rig.hub.presence.note(sink.name, Poll(slots=0, version="1", instance="instance-1"), 60)
                await asyncio.sleep(1)
            spent = rig.hub.storage.operations.by_kind()
            assert (spent["table.get"], spent["table.insert"], spent["table.replace"]) == (
                2,
                1,
                9,
            )  # one get is the version

    loop.run(main())
