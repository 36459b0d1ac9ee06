"""The overflow beside a pool's queue: who floods the pool waits there, and others are not behind all of the flood."""

from __future__ import annotations

import asyncio

from hub.limits.overflow import FLOOD_MESSAGES, FLOOD_SECONDS, Overflow
from hub.model.configuration import EventType
from hub.storage.keys import main_of, overflow_of, queue_of_sink, queue_of_sink_type
from tests.life.fleet import Fleet, with_fleet
from tests.life.rig import SINK, SINK_TYPE
from tests.unit.configuring import StepClock

QUEUE = queue_of_sink_type(SINK_TYPE)


class TestRouting:
    A = EventType(name="A", sink_type=SINK_TYPE, action="a")
    B = EventType(name="B", sink_type=SINK_TYPE, action="b")

    def test_more_than_64_in_ten_seconds_go_to_the_overflow(self) -> None:
        overflow = Overflow(StepClock())
        assert [overflow.route(self.A) for _ in range(FLOOD_MESSAGES)] == [QUEUE] * FLOOD_MESSAGES
        assert overflow.route(self.A) == overflow_of(QUEUE)
        assert overflow.route(self.B) == QUEUE

    def test_and_go_on_doing_so_until_fewer_are_sent(self) -> None:
        clock = StepClock()
        overflow = Overflow(clock)
        for _ in range(10 * FLOOD_MESSAGES):
            overflow.route(self.A)
            clock.seconds += FLOOD_SECONDS / FLOOD_MESSAGES / 2
        assert overflow.route(self.A) == overflow_of(QUEUE)
        clock.seconds += FLOOD_SECONDS
        assert overflow.route(self.A) == QUEUE

    def test_an_even_stream_below_that_never_does(self) -> None:
        clock = StepClock()
        overflow = Overflow(clock)
        for _ in range(10 * FLOOD_MESSAGES):
            assert overflow.route(self.A) == QUEUE
            clock.seconds += FLOOD_SECONDS / FLOOD_MESSAGES

    def test_each_pool_by_itself_and_a_sinks_own_queue_too(self) -> None:
        overflow = Overflow(StepClock())
        pinned = self.A.model_copy(update={"sink": SINK})
        for _ in range(FLOOD_MESSAGES):
            overflow.route(pinned)
        assert overflow.route(self.A) == QUEUE
        assert overflow.route(pinned) == overflow_of(queue_of_sink(SINK))
        assert main_of(overflow_of(QUEUE)) == main_of(QUEUE) == QUEUE


def test_ten_events_beside_a_flood_of_a_thousand_are_done_within_a_fair_share() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.event_type("FLOOD")
        await fleet.rig.event_type("FEW")
        for _ in range(1000):
            await fleet.rig.fire("FLOOD")
        for _ in range(10):
            await fleet.rig.fire("FEW")
        for number in range(2):
            fleet.sink(f"sink-{number}", number, slots=4, seconds=0.5)
        await fleet.until(lambda: [kind for _, kind in fleet.finished].count("FEW") == 10, 600)
        # 64 of the flood are before them, and each of those and of the ten has one of the overflow beside it.
        assert 10 < len(fleet.finished) <= 2 * (FLOOD_MESSAGES + 10) + 4 * 4

    with_fleet(body, hubs=2)


def test_events_that_come_into_a_flood_which_is_under_way_wait_for_none_of_it() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.event_type("FLOOD")
        await fleet.rig.event_type("FEW")
        for _ in range(400):
            await fleet.rig.fire("FLOOD")
        fleet.sink("sink", 0, slots=4, seconds=0.5)
        await fleet.until(lambda: len(fleet.finished) >= 200, 100)
        before = len(fleet.finished)
        for _ in range(10):
            await fleet.rig.fire("FEW")
        await fleet.until(lambda: [kind for _, kind in fleet.finished].count("FEW") == 10, 100)
        assert len(fleet.finished) - before <= 2 * 10 + 8
        assert len(fleet.finished) < 300, "the flood is not over"

    with_fleet(body)


def test_what_another_process_put_into_the_overflow_is_found_within_five_seconds() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.event_type("A")
        fleet.sink("sink", 1, slots=8)
        await asyncio.sleep(11)
        created = asyncio.get_running_loop().time()
        for _ in range(FLOOD_MESSAGES + 1):
            await fleet.rig.fire("A")  # by the first hub, while the second alone is polled
        await fleet.until(lambda: len(fleet.finished) == FLOOD_MESSAGES + 1, 60)
        assert len(fleet.finished) == FLOOD_MESSAGES + 1
        assert max(at for at, _ in fleet.finished) - created <= 5 + 3
        assert fleet.storage.operations.by_kind()["queue.put"] == FLOOD_MESSAGES + 1, "it stays on the queue it is on"

    with_fleet(body, hubs=2)


def test_an_overflow_is_drained_while_the_pools_own_queue_never_runs_dry() -> None:
    """By another process's hub, which was never told of it."""

    async def body(fleet: Fleet) -> None:
        await fleet.rig.event_type("FLOOD")
        await fleet.rig.event_type("OTHER")
        for _ in range(FLOOD_MESSAGES + 20):
            await fleet.rig.fire("FLOOD")

        async def others() -> None:
            while True:  # as many as the sink can do, and below what is a flood
                await fleet.rig.fire("OTHER")
                await asyncio.sleep(0.2)

        feeding = asyncio.create_task(others())
        fleet.sink("sink", 1, slots=1, seconds=0.15)
        await fleet.until(lambda: [kind for _, kind in fleet.finished].count("FLOOD") == FLOOD_MESSAGES + 20, 120)
        feeding.cancel()
        assert [kind for _, kind in fleet.finished].count("FLOOD") == FLOOD_MESSAGES + 20

    with_fleet(body, hubs=2)


def test_a_flood_that_moves_to_another_pool_goes_to_that_ones_overflow() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.event_type("A", sink_type="OTHER")
        for _ in range(FLOOD_MESSAGES + 30):
            await fleet.rig.fire("A")
        await fleet.rig.event_type("A")
        other = overflow_of(queue_of_sink_type("OTHER"))
        assert await fleet.storage.queues.depth(other) == 30
        assert await fleet.rig.poll(slots=32, sink="elsewhere", sink_type="OTHER", seconds=8) == ()
        assert await fleet.storage.queues.depth(other) == 0
        assert await fleet.storage.queues.depth(overflow_of(QUEUE)) == 30
        fleet.sink("sink", 0, slots=8)
        await fleet.until(lambda: len(fleet.finished) == FLOOD_MESSAGES + 30, 60)
        assert len(fleet.finished) == FLOOD_MESSAGES + 30

    with_fleet(body)
