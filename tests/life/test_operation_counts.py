"""What an event costs in storage operations: this is what the cloud bills, and what the machine's disk must do."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from typing import Any

import pytest

from hub.configure import copy
from hub.dispatch import lanes
from hub.model.configuration import SinkType
from hub.storage.counting import counting
from hub.wire import Leased, Need, Renew, ResultState, Task
from tests.contract.rig import ManualClock, unique
from tests.life.rig import SINK, SINK_TYPE, LifeRig

MOST_SECONDS = 30.0
"""None of these tests takes so long."""


@pytest.fixture(autouse=True)
def _nothing_that_is_due_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once in five seconds, whatever is done meanwhile: on a slow machine it would be counted to an event."""
    monkeypatch.setattr(lanes, "LOOK_SECONDS", 1e9)
    monkeypatch.setattr(copy, "FRESH_SECONDS", MOST_SECONDS)


@pytest.fixture(autouse=True)
def _in_one_hour() -> None:
    """The first event of an hour registers a partition, and that hour must not begin between two that are compared."""
    left = 3600 - time.time() % 3600
    if left < MOST_SECONDS:
        time.sleep(left)


async def test_a_short_event_costs_seven_operations_from_creation_to_success_with_its_log(either: LifeRig) -> None:
    await either.event_type("SHORT")
    await _through(either, "SHORT")  # the hour's partition is registered, the sink's presence written

    spent = await _through(either, "SHORT")

    assert spent == {
        "table.insert": 1,
        "queue.put": 1,
        "queue.receive": 1,
        "table.get": 1,
        "table.replace": 1,
        "table.merge": 1,
        "queue.delete": 1,
    }


async def test_a_parent_costs_one_operation_more_than_its_follow_ons_creation(either: LifeRig) -> None:
    await either.event_type("CHILD")
    await either.event_type("PARENT", on={"on_success": "CHILD"})
    await _through(either, "CHILD")

    spent = await _through(either, "PARENT")

    assert spent.total() == 7 + 1 + 2


async def test_nobody_meets_the_hint_of_a_lease_that_is_renewed_in_time(rig: LifeRig, clock: ManualClock) -> None:
    await rig.event_type("LONG")
    await rig.fire("LONG")
    task = await rig.one()
    for _ in range(3):
        clock.advance(10)
        task = task.model_copy(update={"token": (await _renewed(rig, task)).token})
    clock.advance(30 + 5 - 1)
    before = rig.hub.storage.operations.by_kind()

    assert await rig.poll(seconds=0.2) == ()

    spent = rig.hub.storage.operations.by_kind() - before
    assert spent["queue.receive"] > 0
    assert spent["queue.update"] == 0


async def _renewed(rig: LifeRig, task: Task) -> Leased:
    return await rig.hub.agents.renew(SINK, task.event_id, Renew(token=task.token))


async def test_a_renewal_costs_two_operations(either: LifeRig) -> None:
    await either.event_type("LONG")
    await either.fire("LONG")
    task = await either.one()
    before = either.hub.storage.operations.by_kind()

    await either.hub.agents.renew(SINK, task.event_id, Renew(token=task.token))

    assert either.hub.storage.operations.by_kind() - before == {"table.merge": 1, "queue.update": 1}


async def test_a_release_costs_two_operations_and_one_for_each_secret(either: LifeRig) -> None:
    names = [f"secret-{secrets.token_hex(4)}" for _ in range(3)]
    for name in names:
        await either.hub.secrets.put(name, f"value of {name}")
    parameters = [{"name": f"p{place}", "type": "SECRET", "value": name} for place, name in enumerate(names)]
    pool = SinkType(name=f"SECRETS:{secrets.token_hex(4)}")  # of its own: other tests leave events on the usual queue
    await either.configure(pool)
    await either.event_type("NEEDS", sink_type=pool.name, action={"parameters": parameters})
    await either.fire("NEEDS")
    task = await either.one(sink_type=pool.name)
    await either.hub.agents.secrets(SINK, task.event_id, Need(token=task.token))  # the first one of the hour
    before = either.hub.storage.operations.by_kind()

    released = await either.hub.agents.secrets(SINK, task.event_id, Need(token=task.token))

    assert either.hub.storage.operations.by_kind() - before == {
        "table.get": 1 + len(names),
        "table.insert": 1,
    }
    assert {each.name: each.value for each in released.secrets} == {name: f"value of {name}" for name in names}


@pytest.mark.parametrize(
    ("limits", "more"),
    [
        ({"rate_per_minute": 600}, {"table.get": 1, "table.replace": 1}),
        ({"max_running": 3}, {"table.query": 1, "table.insert": 1, "table.get": 1, "table.delete": 1}),
    ],
)
async def test_what_the_limits_of_an_event_type_cost(
    either: LifeRig, limits: dict[str, Any], more: dict[str, int]
) -> None:
    pool = unique("POOL")  # on the emulator, events of other tests wait in the usual one
    await either.configure(SinkType(name=pool))
    await either.event_type("PLAIN", sink_type=pool)
    await either.event_type("LIMITED", sink_type=pool, **limits)
    await _through(either, "LIMITED", sink_type=pool)
    plain = await _through(either, "PLAIN", sink_type=pool)

    assert await _through(either, "LIMITED", sink_type=pool) - plain == more


async def test_a_failure_that_somebody_is_told_of_costs_three_operations_more(either: LifeRig) -> None:
    pool, name = SinkType(name=unique("POOL")), unique("FAILING")
    await either.configure(pool)
    await either.event_type(name, sink_type=pool.name)

    async def fail() -> Counter[str]:
        await either.fire(name)
        task = await either.one(sink_type=pool.name)
        await either.hub.configuration.current()
        before = either.hub.storage.operations.by_kind()
        await either.report(task, ResultState.ERROR)
        return either.hub.storage.operations.by_kind() - before

    untold = await fail()
    await either.event_type("HUB.FAILED", sink_type=pool.name)
    try:
        assert await fail() - untold == {"table.merge": 1, "table.insert": 1, "queue.put": 1}
        (alert,) = await either.poll(sink_type=pool.name)
        assert (alert.event_type, alert.payload["event"]["event_type"]) == ("HUB.FAILED", name)
        assert (await either.read(alert.event_id)).silent
    finally:
        await either.event_type("HUB.FAILED", enabled=False)  # the emulator keeps it for the tests that follow


async def _through(rig: LifeRig, event_type: str, sink_type: str = SINK_TYPE) -> Counter[str]:
    """One event from creation to SUCCESS, with a line of log and a result.

    The poll comes after the event: one that waits would add a receive for each second it waits.
    """
    before = rig.hub.storage.operations.by_kind()
    event = await rig.fire(event_type)
    task = await rig.one(sink_type=sink_type)
    await rig.report(task, logs=(rig.chunk("done"),), data={"rows": 3})
    spent = rig.hub.storage.operations.by_kind() - before
    assert (await rig.read(event.id)).state == "SUCCESS"
    assert [line.text for line in (await rig.hub.logs.read(event.id, after=0)).lines] == ["done"]
    return spent


async def test_the_timer_with_nothing_to_do_costs_twelve_operations(rig: LifeRig, clock: ManualClock) -> None:
    """As `nexo cost` computes with. Once an hour it is some more."""
    for _ in range(3):
        clock.advance(60)
        with counting() as spent:
            await rig.hub.upkeep.tick()
    assert spent == {"table.get": 3, "table.query": 6, "table.put": 2, "table.replace": 1}
