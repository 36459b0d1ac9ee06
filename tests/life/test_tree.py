"""The tree of an event, and the end of a chain that is too long: an ERROR that everybody sees."""

from __future__ import annotations

import pytest

from hub.errors import NotFound
from hub.life.rerun import Wish
from hub.life.tree import tree
from hub.model.event import Code, State
from hub.rules import ids
from hub.rules.lifecycle import MAX_DEPTH
from hub.rules.rerunning import RerunAs
from hub.wire import ResultState
from tests.life.rig import LifeRig


async def chain(rig: LifeRig, *names: str) -> list[str]:
    """Event types, each followed by the next, run through from the first; the ids of the events."""
    await rig.event_type(names[-1])
    for name, following in zip(names[-2::-1], names[:0:-1], strict=True):
        await rig.event_type(name, on={"on_success": following})
    made = [(await rig.fire(names[0])).id]
    for name in names:
        task = await rig.one()
        assert task.event_type == name
        await rig.report(task)
        if following_id := (await rig.read(task.event_id)).follow_on:
            made.append(following_id)
    return made


async def test_from_every_event_of_it_the_whole_tree_is_seen(either: LifeRig) -> None:
    made = await chain(either, "A", "B", "C", "D")
    for event_id in made:
        found = await tree(either.hub.context.events, event_id)
        assert found.root_id == made[0]
        assert [each.id for each in found.events] == made
        assert [each.parent_id for each in found.events] == [None, *made[:-1]]
        assert found.complete


async def test_an_event_by_itself(rig: LifeRig) -> None:
    (made,) = await chain(rig, "A")
    before = rig.hub.storage.operations.total
    found = await tree(rig.hub.context.events, made)
    assert ([each.id for each in found.events], found.complete) == ([made], True)
    assert rig.hub.storage.operations.total - before == 1


async def test_what_retention_has_taken_is_missing_and_said_so(rig: LifeRig) -> None:
    made = await chain(rig, "A", "B", "C", "D")
    for gone, left in ((0, made[1:]), (3, made[1:3])):
        await rig.hub.context.events.delete(made[gone], (await rig.stored(made[gone])).etag)
        found = await tree(rig.hub.context.events, made[1])
        assert ([each.id for each in found.events], found.complete) == (left, False)
        assert found.root_id == made[0]


async def test_one_that_is_not_there(rig: LifeRig) -> None:
    with pytest.raises(NotFound):
        await tree(rig.hub.context.events, ids.new(rig.clock.now(), 0, 1))


@pytest.mark.parametrize("by", ["a poll", "the timer"])
async def test_a_chain_that_leads_on_for_ever_ends_in_an_error(rig: LifeRig, by: str) -> None:
    await rig.event_type("LOOP", on={"on_success": "LOOP", "on_failure": "LOOP"})
    root = await rig.fire("LOOP")
    for depth in range(MAX_DEPTH + 1):
        task = await rig.one()
        assert (await rig.read(task.event_id)).depth == depth
        await rig.report(task)

    if by == "the timer":
        await rig.hub.upkeep.reconcile()
    else:
        assert await rig.poll(seconds=0.2) == (), "what is too many is given to nobody"
    found = await tree(rig.hub.context.events, root.id)
    assert len(found.events) == MAX_DEPTH + 2
    last, one_before = found.events[-1], found.events[-2]
    assert one_before.state is State.SUCCESS, "its own work was done"
    assert one_before.settled
    assert (last.state, last.result_code, last.depth) == (State.ERROR, Code.CHAIN_TOO_DEEP, MAX_DEPTH + 1)
    assert root.id in (last.result_message or "")
    assert (last.settled, last.follow_on, last.attempts) == (True, None, ()), "and nothing follows"
    assert last.finished_at is not None
    await rig.poll(seconds=0.2)
    assert await rig.hub.storage.queues.depth(last.queue) == 0


async def test_a_rerun_begins_a_chain_of_its_own(rig: LifeRig) -> None:
    made = await chain(rig, "A", "B")
    rerun = await rig.hub.reruns.rerun(Wish(made[0], RerunAs.TODAY))
    await rig.report(await rig.one(), ResultState.SUCCESS)
    found = await tree(rig.hub.context.events, rerun.id)
    assert found.root_id == rerun.id
    assert [each.rerun_of for each in found.events] == [made[0], None]
    assert len((await tree(rig.hub.context.events, made[0])).events) == 2
