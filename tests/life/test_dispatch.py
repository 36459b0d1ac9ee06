"""The dispatcher on virtual time: what waiting costs, who gets what, and what happens to what nobody can take."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from hub.errors import Unavailable
from hub.model.health import Reason
from hub.model.sink import Sink
from hub.rules.cadence import CadenceMode, Fleet
from hub.storage.embedded import open_embedded
from hub.storage.keys import queue_of_sink, queue_of_sink_type
from hub.storage.ports import Message
from hub.wire import Cancel, Capabilities, Poll, Polled, ResultState
from tests.life.rig import SINK, SINK_TYPE, LifeRig, open_rig
from tests.simulation.virtual_loop import VirtualClock, VirtualLoop

QUEUE = queue_of_sink_type(SINK_TYPE)
Body = Callable[[LifeRig], Awaitable[None]]


def virtually(body: Body, fleet: Fleet | None = None, max_held_polls: int = 1000) -> None:
    """Run on virtual time, over the in-memory engine."""
    loop = VirtualLoop()
    clock = VirtualClock(loop)

    async def main() -> None:
        storage = open_embedded(None, clock)
        async with open_rig(storage, clock, fleet=fleet or Fleet(), max_held_polls=max_held_polls) as rig:
            await rig.event_type("A")
            await body(rig)

    loop.run(main())


def polling(rig: LifeRig, name: str, slots: int = 1) -> asyncio.Task[Polled]:
    sink = Sink(name=name, sink_type=SINK_TYPE, enrolled_at=rig.clock.now())
    return asyncio.create_task(rig.hub.polls.poll(sink, Poll(slots=slots, version="1", instance="instance-1")))


def test_a_sink_that_introduces_itself_is_answered_at_once_and_told_how_to_go_on() -> None:
    """It does not know yet how long it may be kept waiting, and wants to know that the hub is there."""

    async def introduced(rig: LifeRig, slots: int, draining: bool = False) -> tuple[Polled, float]:
        sink = Sink(name=SINK, sink_type=SINK_TYPE, enrolled_at=rig.clock.now())
        said = Poll(
            slots=slots, version="1", instance="instance-1", draining=draining, capabilities=Capabilities(platform="x")
        )
        began = rig.clock.monotonic()
        return await rig.hub.polls.poll(sink, said), rig.clock.monotonic() - began

    async def body(rig: LifeRig) -> None:
        for slots, draining in ((4, False), (0, False), (4, True)):
            answer, took = await introduced(rig, slots, draining)
            assert (answer.tasks, answer.settings.hold, answer.settings.pause) == ((), 200.0, 0.0)
            assert took < 1
        await rig.fire("A")
        answer, took = await introduced(rig, 4)
        assert len(answer.tasks) == 1
        assert took < 1

    virtually(body, Fleet(poll_seconds=200.0))


def test_a_poll_that_is_not_held_looks_at_its_sinks_own_queue_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(rig: LifeRig) -> None:
        queues = rig.hub.storage.queues
        receive = queues.receive

        async def slowly(queue: str, *, count: int, hidden_seconds: float) -> list[Message]:
            await asyncio.sleep(0.1 if queue == queue_of_sink(SINK) else 0.01)
            return await receive(queue, count=count, hidden_seconds=hidden_seconds)

        monkeypatch.setattr(queues, "receive", slowly)
        await rig.event_type("PINNED", sink=SINK)
        await rig.fire("PINNED")
        began = rig.clock.monotonic()
        assert len((await polling(rig, SINK)).tasks) == 1
        assert (await polling(rig, SINK)).tasks == ()
        assert rig.clock.monotonic() - began < 1

    virtually(body, Fleet(mode=CadenceMode.PAUSE))


def receives(rig: LifeRig) -> int:
    return rig.hub.storage.operations.by_kind()["queue.receive"]


@pytest.mark.parametrize("sinks", [1, 50])
def test_idle_polls_cost_one_receive_a_second_and_one_of_the_overflow_in_five_however_many_wait(sinks: int) -> None:
    async def body(rig: LifeRig) -> None:
        waiting = [polling(rig, f"sink-{number}") for number in range(sinks)]
        await asyncio.sleep(10)
        before = receives(rig)
        await asyncio.sleep(30)
        assert 29 + 5 <= receives(rig) - before <= 31 + 7
        answers = await asyncio.gather(*waiting)
        assert all(not answer.tasks and not answer.commands for answer in answers)
        after = receives(rig)
        await asyncio.sleep(600)
        assert receives(rig) == after, "without a poll nothing is asked of storage"

    virtually(body)


def test_an_event_created_in_this_process_is_given_out_at_once() -> None:
    async def body(rig: LifeRig) -> None:
        waiting = polling(rig, "sink-1")
        await asyncio.sleep(30.5)  # between two looks, a second apart
        created = asyncio.get_running_loop().time()
        await rig.fire("A")
        answer = await waiting
        assert len(answer.tasks) == 1
        assert asyncio.get_running_loop().time() - created < 0.01

    virtually(body)


def test_a_queue_that_held_something_is_looked_at_more_often_for_a_while() -> None:
    """What another process puts there soon after does not wait for a second."""

    async def body(rig: LifeRig) -> None:
        first, _ = polling(rig, "sink-1"), polling(rig, "sink-2")
        await asyncio.sleep(10.5)
        before = receives(rig)
        await rig.fire("A")
        await asyncio.sleep(0.9)
        assert first.done()
        assert receives(rig) - before >= 5

    virtually(body)


def test_waiting_sinks_get_one_each_in_order_of_arrival() -> None:
    async def body(rig: LifeRig) -> None:
        for _ in range(6):
            await rig.fire("A")
        waiting = [polling(rig, f"sink-{number}", slots=8) for number in range(3)]
        answers = await asyncio.gather(*waiting)
        assert [len(answer.tasks) for answer in answers] == [2, 2, 2]

    virtually(body)


def test_a_sinks_newer_poll_takes_the_place_of_its_older_one() -> None:
    async def body(rig: LifeRig) -> None:
        abandoned = polling(rig, "sink-1")
        await asyncio.sleep(5)
        current = polling(rig, "sink-1")
        await asyncio.sleep(0.01)
        await rig.fire("A")
        assert len((await current).tasks) == 1
        assert (await abandoned).tasks == ()

    virtually(body)


def test_what_a_restarted_sink_hands_back_is_not_given_to_its_dead_poll() -> None:
    async def body(rig: LifeRig) -> None:
        await rig.fire("A")
        (task,) = (await polling(rig, SINK)).tasks
        abandoned = polling(rig, SINK)
        await asyncio.sleep(5)
        await rig.report(task, ResultState.RETURNED)
        assert (await abandoned).tasks == ()
        assert [each.attempt for each in (await polling(rig, SINK)).tasks] == [2]

    virtually(body)


def test_no_sink_gets_more_than_its_free_slots() -> None:
    async def body(rig: LifeRig) -> None:
        for _ in range(10):
            await rig.fire("A")
        answers = await asyncio.gather(polling(rig, "small", slots=1), polling(rig, "large", slots=4))
        assert [len(answer.tasks) for answer in answers] == [1, 4]
        rest = await polling(rig, "later", slots=8)
        assert len(rest.tasks) == 5, "what nobody could take was left visible"

    virtually(body)


def test_a_sink_without_a_free_slot_hears_of_a_cancel() -> None:
    async def body(rig: LifeRig) -> None:
        event = await rig.fire("A")
        (task,) = (await polling(rig, "sink-1")).tasks
        busy = polling(rig, "sink-1", slots=0)
        await asyncio.sleep(5)
        before = receives(rig)
        await rig.hub.canceller.cancel(event.id)
        answer = await busy
        assert answer.commands == (Cancel(event_id=task.event_id),)
        assert receives(rig) == before

    virtually(body)


def test_a_sleepy_fleet_looks_and_goes_with_growing_pauses() -> None:
    async def body(rig: LifeRig) -> None:
        pauses = []
        for _ in range(7):
            answer = await polling(rig, "sink-1")
            pauses.append((answer.settings.hold, answer.settings.pause))
        assert pauses == [(0, 2), (0, 4), (0, 8), (0, 16), (0, 32), (0, 60), (0, 60)]
        assert asyncio.get_running_loop().time() < 1
        await rig.fire("A")
        answer = await polling(rig, "sink-1")
        assert len(answer.tasks) == 1
        assert (answer.settings.hold, answer.settings.pause) == (50, 0), "there is work: polls are held"

    virtually(body, fleet=Fleet(embedded=False))


def test_over_the_limit_of_held_polls_a_poll_is_answered_at_once() -> None:
    async def body(rig: LifeRig) -> None:
        held = [polling(rig, f"sink-{number}") for number in range(2)]
        await asyncio.sleep(1)
        began = asyncio.get_running_loop().time()
        answer = await polling(rig, "one-too-many")
        assert (answer.settings.hold, answer.settings.pause) == (0, 5)
        assert asyncio.get_running_loop().time() - began < 0.01
        await asyncio.gather(*held)
        assert rig.hub.polls.holding == 0

    virtually(body, max_held_polls=2)


def test_a_process_that_is_about_to_stop_answers_the_polls_it_holds_and_holds_no_other() -> None:
    async def body(rig: LifeRig) -> None:
        held = [polling(rig, f"sink-{number}") for number in range(2)]
        await asyncio.sleep(1)
        began = asyncio.get_running_loop().time()
        rig.hub.held.let_go()
        answers = [*await asyncio.gather(*held), await polling(rig, "late")]
        assert [(answer.tasks, answer.commands) for answer in answers] == [((), ())] * 3
        assert all(answer.settings.pause < 5 for answer in answers)  # not as if there were too many
        assert asyncio.get_running_loop().time() - began < 0.01
        assert (rig.hub.polls.holding, rig.hub.held.count) == (0, 0)

    virtually(body)


def test_a_hub_whose_clock_is_wrong_claims_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(rig: LifeRig) -> None:
        await rig.fire("A")
        storage = rig.hub.storage
        monkeypatch.setattr(storage, "clock_offset", lambda: timedelta(seconds=-2.5), raising=False)
        assert (await rig.hub.health.report()).reasons == (Reason.CLOCK,)
        assert (await polling(rig, "sink-1")).tasks == ()
        monkeypatch.setattr(storage, "clock_offset", lambda: timedelta(seconds=1.9), raising=False)
        assert len((await polling(rig, "sink-1")).tasks) == 1

    virtually(body)


def test_a_queue_that_cannot_be_read_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(rig: LifeRig) -> None:
        receive = rig.hub.storage.queues.receive

        tried: list[float] = []

        async def broken(*_: object, **__: object) -> None:
            tried.append(rig.clock.monotonic())
            raise Unavailable("away")

        monkeypatch.setattr(rig.hub.storage.queues, "receive", broken)
        waiting = polling(rig, "sink-1")
        await asyncio.sleep(20)
        assert len(tried) <= 11, "storage that does not answer is not asked more often for it"
        monkeypatch.setattr(rig.hub.storage.queues, "receive", receive)
        await rig.fire("A")
        assert len((await waiting).tasks) == 1

    caplog.set_level("INFO", "hub.dispatch")
    virtually(body)
    assert [record.getMessage() for record in caplog.records] == [
        f"queue {QUEUE} cannot be read: away",
        f"queue {QUEUE} can be read again",
    ]


def test_an_event_pinned_to_one_sink_goes_to_that_sink_only() -> None:
    async def body(rig: LifeRig) -> None:
        await rig.event_type("PINNED", sink="sink-2")
        await rig.fire("PINNED")
        other, pinned = polling(rig, "sink-1"), polling(rig, "sink-2")
        assert [task.event_type for task in (await pinned).tasks] == ["PINNED"]
        assert (await other).tasks == ()

    virtually(body)


def test_the_cadence_can_be_set_to_always_hold() -> None:
    async def body(rig: LifeRig) -> None:
        answer = await polling(rig, "sink-1")
        assert answer.settings.hold == 50
        assert asyncio.get_running_loop().time() >= 50

    virtually(body, fleet=Fleet(embedded=False, mode=CadenceMode.HOLD))
