"""Ephemeral sinks are removed some minutes after they have gone; all others stay for ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from hub.audit.wanted import Wanted
from hub.errors import NotFound
from hub.model.sink import SinkState
from hub.people.enrolment import WantedEnrolment
from hub.rules.presence import state_of
from hub.storage.counting import counting
from hub.upkeep.departures import Departures
from hub.wire import Enrol, Poll, Result, ResultState
from tests.contract.rig import ManualClock
from tests.life.rig import SINK, SINK_TYPE, LifeRig

SECONDS = 60.0


async def enrol(rig: LifeRig, name: str, *, ephemeral: bool) -> None:
    expires_at = rig.clock.now().replace(year=rig.clock.now().year + 1)
    made = await rig.hub.people.enrolments.create(WantedEnrolment(SINK_TYPE, expires_at, ephemeral=ephemeral))
    await rig.hub.people.enrolments.exchange(Enrol(token=made.text, name=name, version="1"))
    rig.hub.configuration.invalidate()


async def seen(rig: LifeRig, name: str) -> None:
    await rig.hub.presence.note(name, Poll(slots=1, version="1", instance=f"instance-of-{name}"), SECONDS)


async def there(rig: LifeRig) -> list[str]:
    rig.hub.configuration.invalidate()
    return [each.name for each in await rig.hub.sinks.list() if each.name != SINK]


async def test_one_that_has_gone_is_removed_after_ten_minutes(rig: LifeRig, clock: ManualClock) -> None:
    await rig.event_type("A")
    for name, ephemeral in (("pod", True), ("box", False)):
        await enrol(rig, name, ephemeral=ephemeral)
        await seen(rig, name)
    clock.advance(SECONDS + 599)
    await rig.hub.upkeep.tick()
    assert await there(rig) == ["box", "pod"]
    clock.advance(1)
    await rig.hub.upkeep.tick()
    assert await there(rig) == ["box"]
    assert await rig.hub.presence.get("pod") is None


async def test_one_that_never_came_too(rig: LifeRig, clock: ManualClock) -> None:
    await rig.event_type("A")
    await enrol(rig, "pod", ephemeral=True)
    clock.advance(601)
    await rig.hub.upkeep.tick()
    assert await there(rig) == []


async def test_so_many_in_a_step(rig: LifeRig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.upkeep.departures.REMOVED_A_STEP", 2)
    await rig.event_type("A")
    for name in ("pod-1", "pod-2", "pod-3"):
        await enrol(rig, name, ephemeral=True)
    clock.advance(601)
    await rig.hub.upkeep.tick()
    assert await there(rig) == ["pod-3"]
    clock.advance(60)
    await rig.hub.upkeep.tick()
    assert await there(rig) == []


async def test_others_stay_however_long_they_are_away(rig: LifeRig, clock: ManualClock) -> None:
    await rig.event_type("A")
    await enrol(rig, "box", ephemeral=False)
    await seen(rig, "box")
    for _ in range(3):
        clock.advance(10 * 86400)
        await rig.hub.upkeep.tick()
    assert await there(rig) == ["box"]
    (box,) = [each for each in await rig.hub.sinks.list() if each.name == "box"]
    assert state_of((await rig.hub.presence.newest([box]))["box"], clock.now()) is SinkState.OFFLINE


async def test_one_that_comes_stays(rig: LifeRig, clock: ManualClock) -> None:
    await rig.event_type("A")
    await enrol(rig, "pod", ephemeral=True)
    for _ in range(30):
        clock.advance(59)
        await seen(rig, "pod")
        await rig.hub.upkeep.tick()
    assert await there(rig) == ["pod"]


async def test_its_events_keep_the_name(rig: LifeRig, clock: ManualClock) -> None:
    await rig.event_type("A")
    await enrol(rig, "pod", ephemeral=True)
    event = await rig.fire("A")
    (task,) = await rig.poll(sink="pod")
    await rig.hub.agents.result("pod", event.id, Result(token=task.token, state=ResultState.SUCCESS))
    clock.advance(3600)
    await rig.hub.upkeep.tick()
    assert await there(rig) == []
    assert (await rig.hub.context.events.get(event.id)).event.sink == "pod"
    with pytest.raises(NotFound):
        await rig.hub.sinks.get("pod")


async def test_one_that_an_event_type_is_pinned_to_stays_and_keeps_nobody_from_going(
    rig: LifeRig, clock: ManualClock
) -> None:
    await rig.event_type("A")
    for name in ("pinned", "pod"):
        await enrol(rig, name, ephemeral=True)
    await rig.event_type("PINNED", sink="pinned")
    clock.advance(3600)
    for _ in range(3):
        await rig.hub.upkeep.tick()
    assert await there(rig) == ["pinned"]
    told = (await rig.hub.audit.people.page(Wanted(actor="hub"), after=None, limit=10)).items
    assert [(each.entry.resource, each.entry.result) for each in told] == [("sinks/pod", "DONE")]


@pytest.mark.parametrize(("ephemeral", "cost"), [(False, {}), (True, {"table.get": 1})])
async def test_it_costs_nothing_without_ephemeral_sinks(rig: LifeRig, ephemeral: bool, cost: Mapping[str, Any]) -> None:
    await rig.event_type("A")
    await enrol(rig, "pod", ephemeral=ephemeral)
    snapshot = await rig.hub.configuration.current()
    with counting() as spent:
        await Departures(rig.hub.sinks, rig.hub.presence, rig.clock, rig.hub.audit.trail).step(snapshot)
    assert spent == cost
