"""A hub whose clock is set back: what it wrote before is from the future, and must not keep it from its work."""

from __future__ import annotations

import asyncio
import logging

import pytest

from hub.dispatch.presence import PresenceBook
from hub.model.sink import SinkState
from hub.rules.presence import state_of
from hub.wire import Poll, Renew
from tests.contract.rig import ManualClock
from tests.life.rig import SINK, LifeRig

HOUR = 3600.0
POLL = Poll(slots=1, version="1", instance="instance-1")


async def test_what_waits_is_given_out_and_what_runs_is_recorded(rig: LifeRig, clock: ManualClock) -> None:
    await rig.event_type("A")
    ids = {(await rig.fire("A")).id, (await rig.fire("A")).id}
    held = await rig.one()
    clock.advance(-HOUR)
    await rig.hub.agents.renew(SINK, held.event_id, Renew(token=held.token))
    tasks = [held, await rig.one()]
    assert {task.event_id for task in tasks} == ids
    for task in tasks:
        await rig.report(task)
        assert [attempt.outcome for attempt in (await rig.read(task.event_id)).attempts] == ["SUCCESS"]


async def test_a_heartbeat_from_the_future_does_not_stand_for_the_timer(
    rig: LifeRig, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    upkeep = rig.hub.upkeep
    await upkeep.tick()
    clock.advance(-HOUR)
    with caplog.at_level(logging.WARNING):
        upkeep.traffic()
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "stand in for the timer"))
    assert upkeep.degraded
    assert "does its work meanwhile" in caplog.text


async def test_a_sink_seen_in_the_future_is_not_online_for_an_hour_more(rig: LifeRig, clock: ManualClock) -> None:
    book = PresenceBook(rig.hub.storage.tables, clock)
    await book.note(SINK, POLL, 60.0)
    clock.advance(-HOUR)
    assert state_of(await book.get(SINK), clock.now()) is SinkState.OFFLINE
    await book.note(SINK, POLL, 60.0)
    assert state_of(await book.get(SINK), clock.now()) is SinkState.ONLINE
