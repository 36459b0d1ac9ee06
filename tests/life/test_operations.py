"""Operations: all events that a filter finds, each once, whatever goes wrong on the way."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from hub.errors import NexomaticError, TooMany
from hub.evaluation import InlineEvaluator
from hub.life import operations
from hub.life.listing import Wanted
from hub.life.operations import KEPT, MOST_OPEN, NewOperation
from hub.model.configuration import SinkType
from hub.model.event import State
from hub.model.operation import BulkAction, EventFilter, Operation, OperationState
from hub.rules.rerunning import RerunAs
from hub.storage.counting import counting
from hub.storage.operation_rows import OperationRows
from hub.wiring import Hub, build
from tests.contract.rig import ManualClock
from tests.life.faulty_tables import FaultyStorage, FaultyTables, Killed, Wrong
from tests.life.hooks import hub_over
from tests.life.rig import SINK_TYPE, LifeRig

OPEN = EventFilter(states=(State.QUEUED, State.RUNNING))
ENDED = EventFilter(states=(State.ERROR,), event_type="A")
MOST_OPERATIONS = 120


async def begun(rig: LifeRig, action: BulkAction = BulkAction.CANCEL, **fields: Any) -> Operation:
    """An operation at which nobody works yet."""
    how = RerunAs.TODAY if action is BulkAction.RETRY else None
    wanted = fields.pop("filter", ENDED if action is BulkAction.RETRY else OPEN)
    rig.hub.operations.wake = lambda: None  # type: ignore[method-assign]
    return await rig.hub.operations.begin(NewOperation(action, wanted, how, **fields))


async def fired(rig: LifeRig, clock: ManualClock, count: int, *, ended: bool = False, name: str = "A") -> list[str]:
    """Events of this type, and time has passed since."""
    await rig.event_type(name)
    made = [(await rig.fire(name)).id for _ in range(count)]
    if ended:
        for each in made:
            await rig.hub.canceller.cancel(each)
    clock.advance(1)
    return made


async def reruns_of(hub: Hub, name: str = "A") -> list[str]:
    """What each event of this type that waits is a rerun of."""
    page = await hub.listing.page(Wanted(frozenset({State.QUEUED}), name), limit=200)
    events = [(await hub.context.events.get(each.id)).event for each in page.items]
    return sorted(str(each.rerun_of) for each in events)


@pytest.mark.parametrize("action", BulkAction)
async def test_more_than_a_batch(
    rig: LifeRig, clock: ManualClock, action: BulkAction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "BATCH", 4)
    made = await fired(rig, clock, 11, ended=action is BulkAction.RETRY)
    operation = await begun(rig, action)
    assert not await rig.hub.operations.step()
    found = await rig.hub.operations.get(operation.id)
    assert (found.state, found.matched, found.done, found.failed) == (OperationState.DONE, 11, 11, 0)
    assert found.finished_at is not None
    if action is BulkAction.RETRY:
        assert await reruns_of(rig.hub) == sorted(made)
    else:
        assert {(await rig.read(each)).result_code for each in made} == {"CANCELLED"}


async def test_on_each_engine(either: LifeRig) -> None:
    await either.event_type("MANY")  # of this test alone: others fire too, on the same Azurite
    made = [(await either.fire("MANY")).id for _ in range(3)]
    operations_ = either.hub.operations
    operations_.wake = lambda: None  # type: ignore[method-assign]
    await asyncio.sleep(0.01)  # an event is meant if it is older than the operation
    operation = await operations_.begin(
        NewOperation(BulkAction.CANCEL, EventFilter(states=OPEN.states, event_type="MANY"))
    )
    await operations_.step()
    found = await operations_.get(operation.id)
    assert (found.state, found.done) == (OperationState.DONE, 3)
    assert {(await either.read(each)).result_code for each in made} == {"CANCELLED"}
    assert [each.id for each in await operations_.page(after=None, limit=1)] == [operation.id]
    await OperationRows(either.hub.storage.tables).expire(either.clock.now() + timedelta(seconds=1))
    assert await operations_.page(after=None, limit=10) == []


async def test_events_that_come_later_are_not_meant(rig: LifeRig, clock: ManualClock) -> None:
    await fired(rig, clock, 1)
    operation = await begun(rig, filter=OPEN.model_copy(update={"end": clock.now() + timedelta(days=1)}))
    later = await rig.fire("A")
    await rig.hub.operations.step()
    assert (await rig.hub.operations.get(operation.id)).matched == 1
    assert (await rig.read(later.id)).state is State.QUEUED


async def test_who_works_at_it_is_left_alone_and_who_died_is_not(rig: LifeRig, clock: ManualClock) -> None:
    (event_id,) = await fired(rig, clock, 1)
    operation = await begun(rig)
    rows = OperationRows(rig.hub.storage.tables)
    stored = await rows.get(operation.id)
    await rows.replace(await rig.hub.operations._found(stored.operation), stored.etag)
    await rig.hub.operations.step()
    assert (await rig.read(event_id)).state is State.QUEUED
    clock.advance(60)
    await rig.hub.operations.step()
    assert (await rig.read(event_id)).state is State.ERROR
    assert (await rig.hub.operations.get(operation.id)).done == 1


async def test_a_full_queue_is_waited_for(rig: LifeRig, clock: ManualClock) -> None:
    made = await fired(rig, clock, 30, ended=True)
    await rig.configure(SinkType(name=SINK_TYPE, max_queue_depth=40))
    operation = await begun(rig, BulkAction.RETRY)
    await rig.hub.operations.step()
    waits = await rig.hub.operations.get(operation.id)
    assert waits.state is OperationState.RUNNING
    assert waits.note is not None
    assert 0 < waits.done < 30
    assert (waits.failed, len(waits.batch)) == (0, 30 - waits.done)
    await rig.configure(SinkType(name=SINK_TYPE))
    clock.advance(120)
    await rig.hub.operations.step()
    assert (await rig.hub.operations.get(operation.id)).done == 30
    assert await reruns_of(rig.hub) == sorted(made)


async def test_what_could_not_be_done_is_told(rig: LifeRig, clock: ManualClock) -> None:
    made = await fired(rig, clock, 2, ended=True)
    await rig.event_type("A", enabled=False)
    operation = await begun(rig, BulkAction.RETRY)
    await rig.hub.operations.step()
    found = await rig.hub.operations.get(operation.id)
    assert (found.state, found.done, found.failed) == (OperationState.DONE, 0, 2)
    assert {(each.event_id, each.detail) for each in found.failures} == {(each, "A is disabled") for each in made}


async def test_a_bug_over_one_event_does_not_stop_the_others(
    rig: LifeRig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = await fired(rig, clock, 3)
    cancel = rig.hub.canceller.cancel

    async def failing(event_id: str, message: str = "") -> Any:
        if event_id == made[1]:
            raise ZeroDivisionError("5f0c")
        return await cancel(event_id, message)

    monkeypatch.setattr(rig.hub.canceller, "cancel", failing)
    operation = await begun(rig)
    await rig.hub.operations.step()
    found = await rig.hub.operations.get(operation.id)
    assert (found.state, found.done, found.failed) == (OperationState.DONE, 2, 1)
    assert "5f0c" not in found.failures[0].detail
    assert "5f0c" in caplog.text


async def test_there_is_a_most_of_open_ones_and_old_ones_go(rig: LifeRig, clock: ManualClock) -> None:
    made = [await begun(rig) for _ in range(MOST_OPEN)]
    with pytest.raises(TooMany, match="20 operations are under way"):
        await begun(rig)
    await rig.hub.operations.step()
    clock.advance(KEPT.total_seconds() + 1)
    kept = await begun(rig)
    assert [each.id for each in await rig.hub.operations.page(after=None, limit=100)] == [kept.id]
    assert made


async def test_begun_again_under_its_id_it_is_the_same(rig: LifeRig, clock: ManualClock) -> None:
    first = await begun(rig, id="01ARZ3NDEKTSV4RRFFQ69G5FAV")
    clock.advance(5)
    assert await begun(rig, id=first.id) == first
    for _ in range(MOST_OPEN - 1):
        await begun(rig)
    assert await begun(rig, id=first.id) == first


async def test_two_processes_at_once(rig: LifeRig, clock: ManualClock) -> None:
    made = await fired(rig, clock, 20, ended=True)
    operation = await begun(rig, BulkAction.RETRY)
    other = build(rig.hub.options, rig.hub.storage, clock, InlineEvaluator(), iter(range(1, 10**6)).__next__)
    await asyncio.gather(rig.hub.operations.step(), other.operations.step())
    found = await rig.hub.operations.get(operation.id)
    assert (found.state, found.done) == (OperationState.DONE, 20)
    assert await reruns_of(rig.hub) == sorted(made)


@pytest.mark.parametrize("wrong", Wrong)
@pytest.mark.parametrize("action", BulkAction)
async def test_every_operation_of_storage_goes_wrong_in_turn(
    rig: LifeRig, clock: ManualClock, action: BulkAction, wrong: Wrong, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each event is done to once and counted once, and it comes to its end."""
    monkeypatch.setattr(operations, "BATCH", 2)
    tried = 0
    for number in range(1, MOST_OPERATIONS):
        name = f"A{number}"
        made = await fired(rig, clock, 3, ended=action is BulkAction.RETRY, name=name)
        states = ENDED.states if action is BulkAction.RETRY else OPEN.states
        operation = await begun(rig, action, filter=EventFilter(states=states, event_type=name))
        tables = FaultyTables(rig.hub.storage.tables, number, wrong)
        dying = hub_over(FaultyStorage(rig.hub.storage, tables), clock)
        try:
            await dying.operations.step()
        except (NexomaticError, Killed):
            tried += 1
        clock.advance(61)
        await rig.hub.operations.step()
        found = await rig.hub.operations.get(operation.id)
        told = (found.state, found.matched, found.done, found.failed)
        assert told == (OperationState.DONE, 3, 3, 0), (number, tables.asked)
        if action is BulkAction.RETRY:
            assert await reruns_of(rig.hub, name) == sorted(made), (number, tables.asked)
        if len(tables.asked) < number:
            break
    else:
        pytest.fail("it never came to an end")
    assert tried > 5 or wrong is Wrong.TWICE


async def test_what_it_costs(rig: LifeRig, clock: ManualClock) -> None:
    await fired(rig, clock, 100)
    await begun(rig)
    with counting() as spent:
        await rig.hub.operations.step()
    assert spent.total() == 1 + 6 + 100 * 2 + 3, spent  # what is open; the list and its end, twice; events; writes
    with counting() as spent:
        await rig.hub.operations.step()
    assert spent.total() == 1


async def test_what_running_again_costs(rig: LifeRig, clock: ManualClock) -> None:
    await fired(rig, clock, 50, ended=True)
    await begun(rig, BulkAction.RETRY)
    with counting() as spent:
        await rig.hub.operations.step()
    assert spent["table.insert"] <= 50 + 2, spent
    assert spent.total() <= 50 * 3 + 15, spent
