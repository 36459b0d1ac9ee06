"""Visibility by the clock that was passed in, to the microsecond, and the engine in memory."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from hub.errors import LimitExceeded, StaleReceipt
from hub.storage.embedded import EmbeddedStorage, open_embedded
from hub.storage.keys import EVENTS
from hub.storage.ports import MAX_HIDDEN_SECONDS
from tests.contract.rig import ManualClock, Queue

A_MOMENT = 0.000_001
DAY = 86_400.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def storage(clock: ManualClock) -> AsyncIterator[EmbeddedStorage]:
    opened = open_embedded(None, clock)
    yield opened
    await opened.close()


@pytest.fixture
def queue(storage: EmbeddedStorage) -> Queue:
    return Queue(storage.queues, "queue")


async def bodies(queue: Queue) -> list[str]:
    return [message.body for message in await queue.receive(hidden_seconds=7 * DAY)]


async def test_a_message_is_visible_at_its_time_and_not_before(clock: ManualClock, queue: Queue) -> None:
    await queue.put("x", hidden_seconds=0.25)
    clock.advance(0.25 - A_MOMENT)
    assert await bodies(queue) == []
    clock.advance(A_MOMENT)
    assert await bodies(queue) == ["x"]


@pytest.mark.parametrize("asked", [MAX_HIDDEN_SECONDS, 6.5 * DAY, 365 * DAY, float("inf")])
@pytest.mark.parametrize("way", ["put", "receive", "update"])
async def test_hiding_ends_after_six_days(clock: ManualClock, queue: Queue, asked: float, way: str) -> None:
    await queue.put("x", hidden_seconds=asked if way == "put" else 0)
    if way == "receive":
        await queue.receive_one(hidden_seconds=asked)
    if way == "update":
        await queue.update(await queue.receive_one(), hidden_seconds=asked)
    clock.advance(6 * DAY - A_MOMENT)
    assert await bodies(queue) == []
    clock.advance(A_MOMENT)
    assert await bodies(queue) == ["x"]


@pytest.mark.parametrize("asked", [0, 0.2, 1])
async def test_a_receive_hides_for_a_second_at_least(clock: ManualClock, queue: Queue, asked: float) -> None:
    await queue.put("x")
    await queue.receive_one(hidden_seconds=asked)
    clock.advance(1 - A_MOMENT)
    assert await bodies(queue) == []
    clock.advance(A_MOMENT)
    assert await bodies(queue) == ["x"]


async def test_a_clock_that_is_set_back_hides_nothing_that_was_visible(clock: ManualClock, queue: Queue) -> None:
    await queue.put("due")
    await queue.put("in a minute", hidden_seconds=60)
    clock.advance(10)
    await queue.put("new")
    clock.advance(-DAY)
    assert await bodies(queue) == ["due", "new"]
    clock.advance(50 - A_MOMENT)
    assert await bodies(queue) == []
    clock.advance(A_MOMENT)
    assert await bodies(queue) == ["in a minute"]


async def test_a_clock_that_was_set_back_while_nobody_looked_hides_nothing_either(
    clock: ManualClock, tmp_path: Path
) -> None:
    storage = open_embedded(tmp_path / "nexomatic.db", clock)
    queue = Queue(storage.queues, "queue")
    await queue.put("due")
    await queue.put("in a minute", hidden_seconds=60)
    clock.advance(10)
    await queue.update(await queue.receive_one(hidden_seconds=5), hidden_seconds=0)
    for _ in range(2):
        await storage.close()
        clock.advance(-DAY)
        storage = open_embedded(tmp_path / "nexomatic.db", clock)
        queue = Queue(storage.queues, "queue")
        await queue.put("another")
    assert sorted(await bodies(queue)) == ["another", "another", "due"]
    clock.advance(50 - A_MOMENT)
    assert await bodies(queue) == []
    clock.advance(A_MOMENT)
    assert await bodies(queue) == ["in a minute"]
    await storage.close()


async def test_a_clock_that_trembles_moves_nothing(clock: ManualClock, queue: Queue) -> None:
    await queue.put("x", hidden_seconds=60)
    for _ in range(100):
        clock.advance(0.5)
        await queue.put("y", hidden_seconds=600)
        clock.advance(-0.5)
        assert await bodies(queue) == []


async def test_what_became_visible_first_comes_first(clock: ManualClock, queue: Queue) -> None:
    await queue.put("third", hidden_seconds=3)
    await queue.put("second", hidden_seconds=2)
    clock.advance(1)
    await queue.put("first")
    clock.advance(5)
    await queue.put("last")
    assert await bodies(queue) == ["first", "second", "third", "last"]


async def test_a_message_that_came_back_waits_its_turn(clock: ManualClock, queue: Queue) -> None:
    await queue.put("a")
    await queue.put("b")
    await queue.receive(count=1, hidden_seconds=10)
    clock.advance(10)
    assert await bodies(queue) == ["b", "a"]


async def test_a_message_never_expires(clock: ManualClock, queue: Queue) -> None:
    await queue.put("x")
    put_at = clock.now()
    clock.advance(400 * DAY)
    message = await queue.receive_one()
    assert (message.body, message.inserted_at) == ("x", put_at)


async def test_each_visit_counts_and_brings_a_new_receipt(clock: ManualClock, queue: Queue) -> None:
    await queue.put("x")
    receipts = []
    for visit in range(1, 8):
        message = await queue.receive_one(hidden_seconds=5)
        assert message.dequeue_count == visit
        receipts.append(message.receipt)
        clock.advance(5)
    assert len(set(receipts)) == 7
    for receipt in receipts[:-1]:
        with pytest.raises(StaleReceipt):
            await queue.delete(message, receipt=receipt)
    await queue.delete(message, receipt=receipts[-1])


async def test_the_offset_between_the_clocks_is_zero(storage: EmbeddedStorage) -> None:
    assert storage.clock_offset() == timedelta(0)


async def test_a_merge_cannot_make_a_row_too_large(storage: EmbeddedStorage) -> None:
    """The service refuses it too; the emulator does not."""
    wide = {f"c{number}": number for number in range(252)}
    large = {f"c{number}": "x" * 32_768 for number in range(15)}
    for key, values in (("wide", wide), ("large", large)):
        await storage.tables.insert(EVENTS, "p", key, values)
        with pytest.raises(LimitExceeded):
            await storage.tables.merge(EVENTS, "p", key, {"more": "x" * 32_768}, "*")
        assert dict((await storage.tables.get(EVENTS, "p", key)).values) == values


# --- in memory --------------------------------------------------------------------------------------------------------


async def exercise(storage: EmbeddedStorage) -> list[object]:
    """Tasks that get in each other's way, and all they saw, in order."""
    seen: list[object] = []

    async def work(name: int) -> None:
        for step in range(5):
            seen.append((name, step, await storage.tables.put(EVENTS, "p", "row", {"name": name})))
            await storage.queues.put("queue", f"{name}-{step}", hidden_seconds=step)
            seen.append(await storage.queues.receive("queue", count=2, hidden_seconds=30))

    await asyncio.gather(*(work(name) for name in range(6)))
    return seen


async def test_in_memory_the_same_run_gives_the_same_answers() -> None:
    runs = []
    for _ in range(2):
        storage = open_embedded(None, ManualClock())
        runs.append(await exercise(storage))
        await storage.close()
    assert runs[0] == runs[1]


async def test_in_memory_there_is_no_thread(storage: EmbeddedStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **more: object) -> None:
        raise AssertionError("a thread was asked for")

    loop = asyncio.get_running_loop()
    threads = set(threading.enumerate())
    switch = sys.getswitchinterval()
    for name in ("run_in_executor", "call_soon_threadsafe"):
        monkeypatch.setattr(loop, name, refuse)
    another = open_embedded(None, ManualClock())
    await exercise(another)
    await another.integrity_check()
    await another.close()
    assert set(threading.enumerate()) <= threads
    assert sys.getswitchinterval() == switch


async def test_in_memory_two_engines_share_nothing(storage: EmbeddedStorage) -> None:
    another = open_embedded(None, ManualClock())
    await another.tables.insert(EVENTS, "p", "k", {})
    assert await storage.tables.query(EVENTS, "p") == []
    await another.close()


async def test_in_memory_other_tasks_run_between_two_calls(storage: EmbeddedStorage) -> None:
    """A loop of calls that never waits for anything else must not hold up the event loop."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    for _ in range(50):
        await storage.queues.receive("queue", count=1, hidden_seconds=1)
    counting.cancel()
    assert turns >= 50
