"""What explain says of an event, held against what the next polls make of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import NotFound
from hub.limits.slots import Slots
from hub.limits.start_rate import StartRates
from hub.limits.token_rows import TokenRows
from hub.model.configuration import Pause, Runtime, SinkType
from hub.model.event import Event, State
from hub.model.sink import Sink
from hub.rules.explanation import Effect, Explanation, Reason
from hub.storage import keys
from hub.storage.configuration import RowKind
from hub.storage.embedded import open_embedded
from hub.wire import Capabilities, Poll, Result, ResultState, Task
from tests.contract.rig import ManualClock, unique
from tests.life.fleet import Fleet, with_fleet
from tests.life.rig import SINK, SINK_TYPE, LifeRig, open_rig

OTHER = "PYTHON:OTHER"
HELD_UP = 16.0
"""After so long what met something in its way is looked at again."""


@dataclass
class Box:
    """A sink, as it polls."""

    name: str
    slots: int = 1
    draining: bool = False
    offline: bool = False
    sink_type: str = SINK_TYPE
    running: tuple[str, ...] = ()


async def look(rig: LifeRig, box: Box, **told: Any) -> tuple[Task, ...]:
    """One look at the queue, as a sink has that introduces itself: its answer does not wait."""
    has = Capabilities(**{"platform": "test", "runtimes": (Runtime.PYTHON,), "modules": ("m",), **told})
    identity = Sink(name=box.name, sink_type=box.sink_type, enrolled_at=rig.clock.now())
    poll = Poll(
        slots=box.slots, running=box.running, version="1", instance="instance-1", draining=box.draining,
        capabilities=has,
    )  # fmt: skip
    return (await rig.hub.polls.poll(identity, poll)).tasks


async def note(rig: LifeRig, box: Box) -> None:
    """The sink is seen, with as many free slots, and is given nothing."""
    slots = 0 if box.draining else box.slots
    poll = Poll(slots=slots, running=box.running, version="1", instance="instance-1", draining=box.draining)
    await rig.hub.presence.note(box.name, poll, 60.0)


async def code(rig: LifeRig, event_id: str) -> Reason:
    return (await rig.hub.explainer.explain(event_id)).explanation.code


async def enrol(rig: LifeRig, *boxes: Box) -> None:
    await rig.configure(
        *(Sink(name=each.name, sink_type=each.sink_type, enrolled_at=rig.clock.now()) for each in boxes)
    )


HINDRANCES = (
    "disabled", "paused", "pause over", "pool paused", "pool pause over", "back-off", "back-off over",
    "event type gone", "action gone", "bad parameter", "overdue", "max_running", "rate", "others ahead", "one drains",
    "one is offline", "no slot", "pinned", "no sink",
)  # fmt: skip


@dataclass
class Scene:
    """An EventType with limits and pauses, a pool of sinks, and what else there is."""

    boxes: list[Box]
    pause: str | None
    pool_pause: str | None
    others: int
    """Events of the same EventType that run, as far as its limits let them."""
    ahead: int
    """Events of another EventType that wait in the same pool."""
    back_off: int | None
    gone: RowKind | None
    bad_parameter: bool
    pinned: bool
    limits: dict[str, Any]

    @property
    def there(self) -> list[Box]:
        return [each for each in self.boxes if not each.offline]

    def pin(self) -> str | None:
        return self.boxes[0].name if self.pinned and self.boxes else None


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """One or two sinks, with few things in the way: of many only the first would be seen."""
    some = draw(st.sets(st.sampled_from(HINDRANCES), max_size=3))
    boxes = [Box(f"box-{number}", draw(st.integers(1, 3))) for number in range(draw(st.integers(1, 2)))]
    boxes[0].draining, boxes[0].offline = "one drains" in some, "one is offline" in some
    boxes[0].slots *= "no slot" not in some
    return Scene(
        boxes=[] if "no sink" in some else boxes,
        pause="ahead" if "paused" in some else "over" if "pause over" in some else None,
        pool_pause="ahead" if "pool paused" in some else "over" if "pool pause over" in some else None,
        others=draw(st.integers(0, 2)),
        ahead=draw(st.integers(1, 2)) if "others ahead" in some else 0,
        back_off=500 if "back-off" in some else 5 if "back-off over" in some else None,
        gone=RowKind.EVENT_TYPE if "event type gone" in some else RowKind.ACTION if "action gone" in some else None,
        bad_parameter="bad parameter" in some,
        pinned="pinned" in some,
        limits={
            "enabled": "disabled" not in some,
            "max_running": draw(st.integers(1, 3)) if "max_running" in some else None,
            "rate_per_minute": draw(st.sampled_from([1, 60])) if "rate" in some else None,
            "queue_timeout_seconds": 5 if "overdue" in some else 600,
        },
    )


@settings(max_examples=200)
@given(scenes())
def test_what_is_about_to_run_is_claimed_by_the_next_polls_and_what_is_held_up_is_not(scene: Scene) -> None:
    asyncio.run(_play(scene))


async def _play(scene: Scene) -> None:
    clock = ManualClock()
    async with open_rig(open_embedded(None, clock), clock) as rig:
        event_id = await _set_up(rig, clock, scene)
        said = (await rig.hub.explainer.explain(event_id)).explanation
        claimed = [task.event_id for box in scene.there for task in await look(rig, box)]
        after = await rig.read(event_id)
        assert (event_id in claimed) == (after.state is State.RUNNING)
        if said.code is Reason.QUEUE_AHEAD:
            return  # how many are before it is approximate, and order is not promised
        if said.found.effect in (Effect.NONE, Effect.FAILS):
            assert event_id in claimed, said
        elif said.found.effect is Effect.WAITS:
            assert after.state is State.QUEUED, said
        elif _looked_at(scene, said):
            assert (after.state, after.result_code) == (State.ERROR, said.code), said


def _looked_at(scene: Scene, said: Explanation) -> bool:
    """Whether a slot is free for it where its message lies."""
    abandoned = any(each.code is Reason.QUEUE_ABANDONED and each.found for each in said.conditions)
    asked = [each for each in scene.there if scene.pin() in (None, each.name)]
    return any(each.slots and not each.draining for each in asked) and not scene.ahead and not abandoned


async def _set_up(rig: LifeRig, clock: ManualClock, scene: Scene) -> str:
    """The event that is explained."""
    helper = Box("helper", 4, sink_type=OTHER)
    await rig.configure(SinkType(name=OTHER))
    await enrol(rig, helper, *scene.boxes)
    for box in scene.boxes:
        await note(rig, box)
    retry = {"max_attempts": 2, "backoff_seconds": scene.back_off or 1, "jitter": 0}
    event_id = None
    if scene.back_off is not None:
        await rig.event_type("A", sink=scene.pin(), retry=retry)
        event_id = (await rig.fire("A", b'{"n": 1}')).id
        (task,) = await look(rig, Box(scene.pin() or SINK))
        await rig.hub.agents.result(scene.pin() or SINK, event_id, _error(task))
    await rig.remove(RowKind.SINK, SINK)
    clock.advance(300)  # those that are not noted again are seen no more
    await rig.event_type("A", **{**scene.limits, "enabled": True}, sink_type=OTHER)
    for _ in range(scene.others):
        await rig.fire("A")
    await look(rig, helper)
    await rig.event_type("B")
    for _ in range(scene.ahead):
        await rig.fire("B")
    await rig.event_type("A", sink=scene.pin())
    event_id = event_id or (await rig.fire("A", b'{"n": 1}')).id
    await _last(rig, scene, retry)
    clock.advance(HELD_UP)
    for box in scene.there:
        await note(rig, box)
    return event_id


async def _last(rig: LifeRig, scene: Scene, retry: dict[str, Any]) -> None:
    """The configuration as it is when the event is explained."""
    ends = {"over": rig.clock.now() + timedelta(seconds=10), "ahead": rig.clock.now() + timedelta(seconds=100)}

    def pause(when: str | None) -> Pause | None:
        return None if when is None else Pause(until=ends[when])

    parameters = [{"name": "p", "type": "DATA", "value": "length(n)"}] if scene.bad_parameter else []
    await rig.configure(SinkType(name=SINK_TYPE, pause=pause(scene.pool_pause)))
    await rig.event_type(
        "A", action={"parameters": parameters}, sink=scene.pin(), pause=pause(scene.pause), retry=retry, **scene.limits
    )
    if scene.gone is not None:
        await rig.remove(scene.gone, "A" if scene.gone is RowKind.EVENT_TYPE else "do-A")


def _error(task: Task) -> Result:
    return Result(token=task.token, state=ResultState.ERROR, code="NO")


async def test_what_a_lost_sink_held_is_taken_over_at_the_second_look(rig: LifeRig, clock: ManualClock) -> None:
    await rig.event_type("A")
    event_id = (await rig.fire("A")).id
    dead, box = Box("dead"), Box("box")
    await enrol(rig, dead, box)
    await look(rig, dead)
    assert await code(rig, event_id) is Reason.RUNNING
    clock.advance(34.999)
    assert await code(rig, event_id) is Reason.RUNNING
    clock.advance(0.001)
    await note(rig, box)
    assert await code(rig, event_id) is Reason.TAKEOVER
    assert await look(rig, box) == (), "the first look only notes that the lease is over"
    assert await code(rig, event_id) is Reason.TAKEOVER
    clock.advance(10)
    assert [task.event_id for task in await look(rig, box)] == [event_id]


async def test_what_may_not_start_twice_is_ended(rig: LifeRig, clock: ManualClock) -> None:
    await rig.event_type("A", retry={"max_lost": 0})
    event_id = (await rig.fire("A")).id
    await look(rig, Box(SINK))
    clock.advance(36)
    assert await code(rig, event_id) is Reason.LOST
    for _ in range(2):
        await look(rig, Box(SINK))
        clock.advance(11)
    assert (await rig.read(event_id)).result_code == Reason.LOST
    said = (await rig.hub.explainer.explain(event_id)).explanation
    assert (said.code, said.found.since) == (Reason.ENDED, (await rig.read(event_id)).finished_at)


async def test_what_is_sent_elsewhere_follows_when_a_sink_looks_where_it_lies(rig: LifeRig) -> None:
    await rig.configure(SinkType(name=OTHER))
    await rig.event_type("A")
    event_id = (await rig.fire("A")).id
    await rig.event_type("A", sink_type=OTHER)
    new = Box("new", sink_type=OTHER)
    await enrol(rig, new)
    await note(rig, new)
    assert await code(rig, event_id) is Reason.QUEUE_ABANDONED
    assert await look(rig, new) == ()
    await note(rig, Box(SINK))
    assert await code(rig, event_id) is Reason.MOVING
    assert await look(rig, Box(SINK)) == ()
    assert await code(rig, event_id) is Reason.ABOUT_TO_RUN
    assert [task.event_id for task in await look(rig, new)] == [event_id]


async def test_nobody_looks_into_the_queue_of_a_sink_that_no_event_type_names_any_more(rig: LifeRig) -> None:
    await rig.event_type("A", sink=SINK)
    event_id = (await rig.fire("A")).id
    await note(rig, Box(SINK))
    assert await code(rig, event_id) is Reason.ABOUT_TO_RUN
    await rig.event_type("A")
    said = (await rig.hub.explainer.explain(event_id)).explanation
    assert said.code is Reason.QUEUE_ABANDONED
    assert f"the sink {SINK}, which no event type names any more" in said.found.detail
    assert await look(rig, Box(SINK)) == ()
    assert said.found.until == rig.clock.now() + timedelta(hours=1)
    await rig.event_type("B", sink=SINK)
    assert await code(rig, event_id) is Reason.MOVING
    assert await look(rig, Box(SINK)) == ()
    assert await code(rig, event_id) is Reason.ABOUT_TO_RUN


async def test_nor_when_that_event_type_is_gone_so_that_not_even_its_end_comes(rig: LifeRig) -> None:
    await rig.event_type("A", sink=SINK)
    event_id = (await rig.fire("A")).id
    await rig.remove(RowKind.EVENT_TYPE, "A")
    await note(rig, Box(SINK))
    said = (await rig.hub.explainer.explain(event_id)).explanation
    assert [each.code for each in said.conditions if each.found] == [
        Reason.CONFIGURATION_MISSING, Reason.QUEUE_ABANDONED,
    ]  # fmt: skip
    assert await look(rig, Box(SINK)) == ()
    assert (await rig.read(event_id)).state is State.QUEUED


async def test_a_queue_that_was_emptied(rig: LifeRig) -> None:
    await rig.event_type("A")
    event = await rig.fire("A")
    (message,) = await rig.hub.storage.queues.receive(event.queue, count=1, hidden_seconds=30)
    await rig.hub.storage.queues.delete(event.queue, message.id, message.receipt)
    await note(rig, Box(SINK))
    said = (await rig.hub.explainer.explain(event.id)).explanation
    assert (said.code, said.found.until) == (Reason.MESSAGE_MISSING, event.created_at + timedelta(hours=1))
    assert await look(rig, Box(SINK)) == ()


async def test_what_is_behind_others_says_how_many(rig: LifeRig) -> None:
    await rig.event_type("A")
    for _ in range(3):
        await rig.fire("A")
    event_id = (await rig.fire("A")).id
    assert len(await look(rig, Box(SINK, slots=1))) == 1
    await note(rig, Box(SINK, slots=2, running=("one",)))
    said = (await rig.hub.explainer.explain(event_id)).explanation
    assert (said.code, said.found.numbers["waiting"], said.found.numbers["free"]) == (Reason.QUEUE_AHEAD, 2, 2)
    assert event_id not in [task.event_id for task in await look(rig, Box(SINK, slots=2))]


async def test_a_sink_that_was_just_given_work_is_busy_before_it_says_so(rig: LifeRig) -> None:
    """Its presence was written when it still offered slots, and is not written again for 30 s."""
    await rig.event_type("A")
    for _ in range(2):
        await rig.fire("A")
    waiting = (await rig.fire("A")).id
    done, _ = await look(rig, Box(SINK, slots=2))
    said = (await rig.hub.explainer.explain(waiting)).explanation
    assert (said.code, said.found.numbers["running"], said.found.numbers["slots"]) == (Reason.SINKS_BUSY, 2, 2)
    await rig.report(done)
    polled = Poll(slots=1, running=("one",), version="1", instance="instance-1")
    await rig.hub.presence.note(SINK, polled, 60.0)
    assert await code(rig, waiting) is Reason.ABOUT_TO_RUN


async def test_what_sinks_said_last_is_found_whatever_their_names(rig: LifeRig) -> None:
    boxes = [Box(name, slots=number) for number, name in enumerate(("a", "B", "b1", "C", "z"))]
    await enrol(rig, *boxes)
    for box in boxes[:-1]:
        await note(rig, box)
    sinks = (await rig.hub.configuration.current()).sinks
    for names in (("a", "B", "b1", "C", "z"), ("C", "b1"), ("B",), ("z",), ("z", "a"), ()):
        found = await rig.hub.presence.newest([sinks[name.casefold()] for name in names])
        assert {name: each.slots for name, each in found.items()} == {
            box.name: box.slots for box in boxes[:-1] if box.name in names
        }


def test_what_a_sink_said_last_counts_whoever_heard_it() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.event_type("A")
        event_id = (await fleet.rig.fire("A")).id
        one, two = fleet.hubs
        for hub, slots in ((one, 0), (two, 2)):
            await hub.presence.note(SINK, Poll(slots=slots, version="1", instance="instance-1"), 60.0)
            await asyncio.sleep(1)
        assert (await one.explainer.explain(event_id)).explanation.code is Reason.ABOUT_TO_RUN
        assert (await two.explainer.explain(event_id)).explanation.code is Reason.ABOUT_TO_RUN

    with_fleet(body, hubs=2)


async def test_slots_in_use_are_those_that_may_be_taken_and_have_not_expired(rig: LifeRig, clock: ManualClock) -> None:
    slots = Slots(rig.hub.storage.tables, timedelta(seconds=5))
    now = clock.now()
    for number in range(3):
        until = now + timedelta(seconds=10 * (number + 1))
        assert await slots.take("A", 3, f"c{number}", now=now, until=until) == number
    found = [[await slots.in_use("a", most, now + timedelta(seconds=after)) for most in (1, 2, 9)] for after in (0, 15)]
    assert found == [[1, 2, 3], [0, 1, 2]]


async def test_a_token_that_was_given_back_lets_one_start(rig: LifeRig) -> None:
    rates = StartRates(TokenRows(rig.hub.storage.tables, rig.hub.context.now, lambda: 7), rig.clock)
    assert await rates.next_in("A", 1) == 0
    assert await rates.take("A", 1) is None
    assert await rates.next_in("a", 1) == 60
    rates.give_back("A", 1)
    assert await rates.next_in("A", 1) == 0


async def test_asking_takes_no_token_and_no_slot(rig: LifeRig) -> None:
    await rig.event_type("A", rate_per_minute=1, max_running=1)
    event_id = (await rig.fire("A")).id
    await note(rig, Box(SINK))
    for _ in range(5):
        assert await code(rig, event_id) is Reason.ABOUT_TO_RUN
    assert [task.event_id for task in await look(rig, Box(SINK))] == [event_id]


def test_a_hub_whose_clock_is_wrong_says_so() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.event_type("A")
        event_id = (await fleet.rig.fire("A")).id
        await note(fleet.rig, Box(SINK))
        await fleet.rig.read(event_id)
        assert await code(fleet.rig, event_id) is Reason.HUB_CLOCK_WRONG
        assert await look(fleet.rig, Box(SINK)) == ()

    with_fleet(body, clocks=(2.5,))


async def test_a_hub_that_holds_as_many_requests_as_it_may_says_so(clock: ManualClock) -> None:
    async with open_rig(open_embedded(None, clock), clock, max_held_polls=1) as rig:
        await rig.event_type("A")
        await rig.configure(SinkType(name=OTHER))
        await enrol(rig, Box("other", sink_type=OTHER))
        other = Sink(name="other", sink_type=OTHER, enrolled_at=clock.now())
        poll = Poll(slots=1, version="1", instance="instance-1")
        held = asyncio.create_task(rig.hub.polls.poll(other, poll))
        await asyncio.sleep(0.01)
        event_id = (await rig.fire("A")).id
        await note(rig, Box(SINK))
        said = (await rig.hub.explainer.explain(event_id)).explanation
        assert (said.code, said.found.numbers) == (Reason.HUB_CROWDED, {"held": 1, "most": 1})
        assert await look(rig, Box(SINK)) == ()
        rig.hub.context.restarted("other")
        await held
        assert await code(rig, event_id) is Reason.ABOUT_TO_RUN
        assert [task.event_id for task in await look(rig, Box(SINK))] == [event_id]
        held = asyncio.create_task(rig.hub.polls.poll((await rig.hub.configuration.current()).sinks[SINK], poll))
        await asyncio.sleep(0.01)
        queues = [keys.queue_of_sink_type(each) for each in (SINK_TYPE, OTHER)]
        assert [rig.hub.polls.crowd(each) for each in queues] == [None, (1, 1)], "its own sink waits for it"
        rig.hub.context.restarted(SINK)
        await held


async def test_an_event_that_is_not_there(rig: LifeRig) -> None:
    with pytest.raises(NotFound):
        await rig.hub.explainer.explain("01ARZ3NDEKTSV4RRFFQ69G5FAV")


async def test_what_it_costs(either: LifeRig) -> None:
    pool, name = unique("POOL"), unique("A")  # on the emulator, events of other tests wait in the usual one
    await either.configure(SinkType(name=pool))
    one, two = (Box(unique("box"), sink_type=pool) for _ in range(2))
    await enrol(either, one, two)
    await either.event_type(name, sink_type=pool, rate_per_minute=600, max_running=3)
    event_id = (await either.fire(name)).id
    for box in (one, two):
        await note(either, box)
    spent = await _spent(either, event_id, Reason.ABOUT_TO_RUN)
    assert spent == {"table.get": 2, "table.query": 2, "queue.depth": 2}
    task = await either.one(sink=one.name, sink_type=pool)
    assert await _spent(either, event_id, Reason.RUNNING) == {"table.get": 2}
    await either.hub.agents.result(one.name, task.event_id, Result(token=task.token, state=ResultState.SUCCESS))
    assert await _spent(either, event_id, Reason.ENDED) == {"table.get": 1}
    await either.event_type(name, sink_type=pool, sink=one.name)
    event_id = (await either.fire(name)).id
    await note(either, one)
    spent = await _spent(either, event_id, Reason.ABOUT_TO_RUN)
    assert spent == {"table.get": 1, "table.query": 1, "queue.depth": 4}


async def _spent(rig: LifeRig, event_id: str, expected: Reason) -> dict[str, int]:
    await rig.hub.configuration.current()
    before = rig.hub.storage.operations.by_kind()
    assert await code(rig, event_id) is expected
    return dict(rig.hub.storage.operations.by_kind() - before)


def test_what_a_schedule_has_against_its_events() -> None:
    """Held against the sink that polls: what waits for the one before waits, what is changed or overlaps is ended."""

    async def body(fleet: Fleet) -> None:
        hub, rig = fleet.hubs[0], fleet.rig
        await rig.event_type("A", lease_seconds=3600)
        await rig.schedule(cron="1-3 6 * * *", overlap="queue")
        await hub.sources.schedules.step()
        first, second = [each.id for each in await events_of(fleet)][:2]
        await note(rig, Box(SINK))
        assert await code(rig, first) is Reason.NOT_BEFORE
        await asyncio.sleep(121)
        await note(rig, Box(SINK))
        assert await code(rig, second) is Reason.PREVIOUS_RUNNING, "the first waits too, and goes first"
        assert [task.event_id for task in await look(rig, Box(SINK, slots=2))] == [first]
        await note(rig, Box(SINK))
        said = (await hub.explainer.explain(second)).explanation
        assert (said.code, first in said.found.detail) == (Reason.PREVIOUS_RUNNING, True)
        await rig.schedule(cron="1-3 6 * * *", overlap="skip")
        await note(rig, Box(SINK))
        assert await code(rig, second) is Reason.SCHEDULE_CHANGED
        await look(rig, Box(SINK))
        await asyncio.sleep(16)
        await look(rig, Box(SINK))
        event = await rig.read(second)
        assert (event.state, event.result_code) == (State.ERROR, Reason.SCHEDULE_CHANGED)
        assert "its schedule was changed" in (await hub.explainer.explain(second)).explanation.found.detail

    with_fleet(body)


async def events_of(fleet: Fleet) -> list[Event]:
    """All events, the oldest first."""
    found: list[Event] = []
    async for indexed in fleet.hubs[0].context.partitions.walk():
        found += [each.event for each in await fleet.storage_rows.list(indexed.partition)]
    return sorted(found, key=lambda event: event.id)
