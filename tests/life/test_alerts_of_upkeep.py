"""HUB.SINK_LOST and HUB.UNROUTABLE: what upkeep notices, once, whoever takes the step, and not after an outage."""

from __future__ import annotations

import json
import secrets
from datetime import timedelta
from typing import Any

import pytest

from hub.errors import Unavailable
from hub.evaluation import InlineEvaluator
from hub.life import create
from hub.life.create import NewEvent
from hub.model.configuration import Pause, SinkType
from hub.model.event import Event, State
from hub.model.sink import Sink
from hub.rules import alerts
from hub.rules.alerts import Alert
from hub.storage import keys
from hub.storage.counting import counting
from hub.upkeep import watch
from hub.wire import Poll
from hub.wiring import build
from tests.contract.rig import ManualClock
from tests.life.rig import SINK, SINK_TYPE, LifeRig

OFFLINE_AFTER = 150
"""Seconds, of a sink whose polls are held for 50."""
OTHER = "PYTHON:OTHER"


@pytest.fixture
async def told(rig: LifeRig) -> LifeRig:
    """A hub that has begun to watch, whose admin is told elsewhere."""
    await rig.configure(SinkType(name=OTHER))
    for name in (Alert.SINK_LOST, Alert.UNROUTABLE):
        await rig.event_type(name, sink_type=OTHER)
    await rig.event_type("A")
    await rig.hub.upkeep.tick()
    return rig


async def _seen(rig: LifeRig, sink: str = SINK, *, draining: bool = False) -> None:
    """The sink polls, and that is written."""
    call = Poll(slots=0 if draining else 1, version="1", instance="instance-1", draining=draining)
    await rig.hub.presence.note(sink, call, OFFLINE_AFTER)


async def _minutes(rig: LifeRig, clock: ManualClock, count: int, *seen: str) -> None:
    """So many minutes pass, a step in each; these sinks are there."""
    for _ in range(count):
        clock.advance(60)
        for sink in seen:
            await _seen(rig, sink)
        await rig.hub.upkeep.tick()


async def _fired(rig: LifeRig, alert: Alert) -> list[Any]:
    """The payloads of every alert of this name, the newest first."""
    events: list[Event] = []
    for indexed in await rig.hub.context.partitions.newest_first():
        rows = await rig.hub.storage.tables.query(keys.EVENTS, indexed.partition.name)
        events += [await rig.read(str(row.values["id"])) for row in rows]
    found = [each for each in events if each.event_type == alert]
    assert all(each.state is State.QUEUED and each.silent and each.source_kind == "HUB" for each in found)
    return [json.loads(each.payload.inline or b"") for each in found]


def _another(rig: LifeRig) -> LifeRig:
    """Another process over the same storage, which knows nothing of the first."""
    hub = rig.hub
    return LifeRig(build(hub.options, hub.storage, hub.clock, InlineEvaluator(), lambda: secrets.randbits(128)))


# --- sinks ------------------------------------------------------------------------------------------------------------


async def test_a_sink_that_stays_away_is_told_of_once(told: LifeRig, clock: ManualClock) -> None:
    await _minutes(told, clock, 5, SINK)
    seen_at = told.hub.context.now()
    await _minutes(told, clock, 2)
    assert await _fired(told, Alert.SINK_LOST) == [], "it may come back"
    await _minutes(told, clock, 2)
    with counting() as spent:
        await _minutes(told, clock, 20)
    assert spent["queue.put"] == 0, "who was told of is not told of again"

    (payload,) = await _fired(told, Alert.SINK_LOST)

    text = f"{seen_at:%Y-%m-%dT%H:%M:%S}.{seen_at.microsecond // 1000:03d}Z"
    assert payload["sink"] == {
        "name": SINK,
        "sink_type": SINK_TYPE,
        "seen_at": text,
        "offline_after_seconds": OFFLINE_AFTER,
        "running": 0,
        "version": "1",
        "platform": None,
    }
    assert payload["message"] == f"the sink {SINK} ({SINK_TYPE}) is lost: it was last seen at {seen_at:%F %T} UTC"
    assert (payload["others"], payload["address"]) == (0, f"/api/sinks/{SINK}")


async def test_each_time_it_is_lost_is_told_of(told: LifeRig, clock: ManualClock) -> None:
    for _ in range(2):
        await _minutes(told, clock, 1, SINK)
        await _minutes(told, clock, 5)
    assert len(await _fired(told, Alert.SINK_LOST)) == 2


async def test_a_sink_that_drains_or_was_removed_is_not_lost(told: LifeRig, clock: ManualClock) -> None:
    gone = Sink(name="gone", sink_type=SINK_TYPE, enrolled_at=clock.now())
    await _minutes(told, clock, 1, SINK, gone.name)  # the one is not enrolled any more
    await _seen(told, draining=True)
    await _minutes(told, clock, 20)
    assert await _fired(told, Alert.SINK_LOST) == []


async def test_who_was_away_before_anybody_watched_is_history(rig: LifeRig, clock: ManualClock) -> None:
    await _seen(rig)
    clock.advance(3600)
    await rig.event_type(Alert.SINK_LOST)
    await _minutes(rig, clock, 20)
    assert await _fired(rig, Alert.SINK_LOST) == []


async def test_a_hub_that_was_away_gives_everybody_the_time_to_come_back(told: LifeRig, clock: ManualClock) -> None:
    names = ["back", "lost"]
    for name in names:
        await told.configure(Sink(name=name, sink_type=SINK_TYPE, enrolled_at=clock.now()))
    await _minutes(told, clock, 3, SINK, *names)
    await _minutes(told, clock, 10, *names)
    assert [each["sink"]["name"] for each in await _fired(told, Alert.SINK_LOST)] == [SINK]
    clock.advance(4 * 3600)  # nobody could be seen
    await told.hub.upkeep.tick()
    await _minutes(told, clock, 2, "back")
    assert len(await _fired(told, Alert.SINK_LOST)) == 1
    await _minutes(told, clock, 20, "back")
    assert [each["sink"]["name"] for each in await _fired(told, Alert.SINK_LOST)] == ["lost", SINK]


async def test_a_step_that_failed_or_was_taken_twice_tells_once(
    told: LifeRig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _minutes(told, clock, 1, SINK)
    await _minutes(told, clock, 2)
    clock.advance(60)
    monkeypatch.setattr(create.Creator, "create", _dies)
    await told.hub.upkeep.tick()
    monkeypatch.undo()
    assert await _fired(told, Alert.SINK_LOST) == []
    for rig in (told, _another(told), told):
        await rig.hub.upkeep.reconcile()
    await _minutes(_another(told), clock, 2)
    assert len(await _fired(told, Alert.SINK_LOST)) == 1


async def test_a_step_that_told_and_died_before_it_said_so_tells_once(
    told: LifeRig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _minutes(told, clock, 1, SINK)
    await _minutes(told, clock, 2)
    monkeypatch.setattr(watch.Watching, "_write", _dies)
    await _minutes(told, clock, 1)
    assert len(await _fired(told, Alert.SINK_LOST)) == 1
    monkeypatch.undo()
    await _minutes(told, clock, 3)
    assert len(await _fired(told, Alert.SINK_LOST)) == 1


async def test_of_a_thousand_sinks_that_are_lost_at_once_the_alerts_say_so(
    told: LifeRig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "SINKS_A_STEP", 3)
    names = [f"many-{number}" for number in range(7)]
    await told.configure(*(Sink(name=each, sink_type=SINK_TYPE, enrolled_at=clock.now()) for each in names))
    await _minutes(told, clock, 1, *names)
    await _minutes(told, clock, 10)
    payloads = await _fired(told, Alert.SINK_LOST)
    assert sorted(each["sink"]["name"] for each in payloads) == names[:3]
    assert {each["others"] for each in payloads} == {6}
    assert payloads[0]["message"].endswith("; 6 more were lost at the same time")


async def test_what_a_step_costs(told: LifeRig, clock: ManualClock) -> None:
    await _minutes(told, clock, 2, SINK)
    clock.advance(60)
    with counting() as plain:
        await told.hub.upkeep.reconcile()
    for name in (Alert.SINK_LOST, Alert.UNROUTABLE):
        await told.event_type(name, enabled=False)
    await told.hub.configuration.current()
    clock.advance(60)
    with counting() as without:
        await told.hub.upkeep.reconcile()
    assert plain == without, "what is told of is counted in any case"
    clock.advance(60)
    watching, snapshot = told.hub.upkeep._reconciler._watching, await told.hub.configuration.current()
    with counting() as spent:
        await watching.step(watching.lookout(snapshot, clock.now()), watch.Looked.AT_ALL)
    assert spent == {"table.get": 1, "table.query": 1, "table.put": 1}


# --- events -----------------------------------------------------------------------------------------------------------


async def test_events_that_nobody_could_run_are_told_of_once_an_hour(told: LifeRig, clock: ManualClock) -> None:
    clock.advance(3600 - clock.now().timestamp() % 3600)
    await told.hub.upkeep.tick()
    first = await told.fire("A")
    await _minutes(told, clock, 5)
    await told.fire("A")
    await _minutes(told, clock, 9)
    assert await _fired(told, Alert.UNROUTABLE) == []
    await _minutes(told, clock, 1)

    (payload,) = await _fired(told, Alert.UNROUTABLE)

    assert (payload["event_type"], payload["sink_type"], payload["pinned_to"]) == ("A", SINK_TYPE, None)
    assert (payload["count"], payload["unroutable_after_seconds"]) == (1, 900)
    assert payload["oldest"]["id"] == first.id
    assert payload["oldest"]["address"] == f"/api/events/{first.id}/explain"
    assert payload["sinks"] == {"enrolled": 1, "could_run_it": 1, "seen_at": None, "lack": None}
    assert payload["message"] == (
        f"A: 1 event waits since {first.created_at:%F %T} UTC, and no sink of {SINK_TYPE} that could is there to run it"
    )
    await _minutes(told, clock, 44)
    assert len(await _fired(told, Alert.UNROUTABLE)) == 1
    await _minutes(told, clock, 3)
    newest, _ = await _fired(told, Alert.UNROUTABLE)
    assert newest["count"] == 2


async def test_other_processes_do_not_put_a_message_for_it_each_minute(told: LifeRig, clock: ManualClock) -> None:
    clock.advance(3600 - clock.now().timestamp() % 3600)
    await told.hub.upkeep.tick()
    await told.fire("A")
    await _minutes(told, clock, 15)
    assert len(await _fired(told, Alert.UNROUTABLE)) == 1
    puts = []
    for _ in range(6):
        with counting() as spent:
            await _minutes(_another(told), clock, 1)
        puts.append(spent["queue.put"])
    assert puts == [1, 1, 1, 0, 0, 0], "whoever made it may have died before its message was there"


async def test_what_could_have_been_run_is_not_unroutable(told: LifeRig, clock: ManualClock) -> None:
    await told.fire("A")
    await _minutes(told, clock, 20, SINK)
    assert await _fired(told, Alert.UNROUTABLE) == []
    await _minutes(told, clock, 14)
    assert await _fired(told, Alert.UNROUTABLE) == [], "its sink was there, and has been away for 14 minutes"
    await _minutes(told, clock, 1)
    assert len(await _fired(told, Alert.UNROUTABLE)) == 1


async def test_a_sink_that_has_not_polled_since_they_came_is_there_until_it_is_offline(
    told: LifeRig, clock: ManualClock
) -> None:
    await told.event_type("A", unroutable_after_seconds=10)
    await _minutes(told, clock, 1, SINK)
    await told.fire("A")
    await _minutes(told, clock, 2)
    assert await _fired(told, Alert.UNROUTABLE) == []
    await _minutes(told, clock, 1)
    assert len(await _fired(told, Alert.UNROUTABLE)) == 1


async def test_the_oldest_is_the_one_that_waits_longest(told: LifeRig, clock: ManualClock) -> None:
    await told.fire("A", not_before=told.hub.context.now() + timedelta(seconds=5))
    clock.advance(1)
    longest = await told.fire("A")
    clock.advance(1)
    await told.fire("A")
    clock.advance(10)
    await _minutes(told, clock, 15)
    (payload,) = await _fired(told, Alert.UNROUTABLE)
    assert (payload["count"], payload["oldest"]["id"]) == (3, longest.id)


async def test_a_sink_that_drains_is_not_there_for_long(told: LifeRig, clock: ManualClock) -> None:
    await told.fire("A")
    await _minutes(told, clock, 20, SINK)
    for _ in range(14):
        clock.advance(60)
        await _seen(told, draining=True)
        await told.hub.upkeep.tick()
    assert await _fired(told, Alert.UNROUTABLE) == []
    await _minutes(told, clock, 16)
    assert len(await _fired(told, Alert.UNROUTABLE)) == 1


async def test_a_pinned_event_waits_for_its_own_sink(told: LifeRig, clock: ManualClock) -> None:
    await told.event_type("PINNED", sink="another")
    await told.fire("PINNED")
    await _minutes(told, clock, 16, SINK)
    (payload,) = await _fired(told, Alert.UNROUTABLE)
    assert (payload["pinned_to"], payload["sinks"]["lack"]) == ("another", "PINNED_SINK_GONE")
    assert payload["message"].endswith("and the sink another is not there to run it")


async def test_an_event_that_a_dead_sink_held_waits_too(told: LifeRig, clock: ManualClock) -> None:
    event = await told.fire("A")
    await told.one()
    await _seen(told)
    await _minutes(told, clock, 14)
    assert await _fired(told, Alert.UNROUTABLE) == []
    await _minutes(told, clock, 3)
    (payload,) = await _fired(told, Alert.UNROUTABLE)
    assert payload["oldest"]["id"] == event.id
    assert (await told.read(event.id)).state is State.RUNNING, "nobody has written that it is queued again"


@pytest.mark.parametrize(
    "fields", [{"enabled": False}, {"pause": Pause()}, {"unroutable_after_seconds": 86_400}], ids=str
)
async def test_what_is_not_to_run_is_not_unroutable(told: LifeRig, clock: ManualClock, fields: dict[str, Any]) -> None:
    await told.fire("A")
    await told.event_type("A", **fields)
    await _minutes(told, clock, 30)
    assert await _fired(told, Alert.UNROUTABLE) == []


async def test_what_is_not_due_yet_is_not_unroutable(told: LifeRig, clock: ManualClock) -> None:
    await told.fire("A", not_before=told.hub.context.now() + timedelta(minutes=20))
    await _minutes(told, clock, 34)
    assert await _fired(told, Alert.UNROUTABLE) == []
    await _minutes(told, clock, 2)
    assert len(await _fired(told, Alert.UNROUTABLE)) == 1


async def test_a_hub_that_was_away_does_not_call_unroutable_what_it_could_not_give_out(
    told: LifeRig, clock: ManualClock
) -> None:
    await _minutes(told, clock, 1, SINK)
    await told.fire("A")
    clock.advance(4 * 3600)
    await told.hub.upkeep.tick()
    await _minutes(told, clock, 14)
    assert await _fired(told, Alert.UNROUTABLE) == []
    await _minutes(told, clock, 2)
    assert len(await _fired(told, Alert.UNROUTABLE)) == 1


async def test_alerts_that_nobody_runs_are_told_of_to_nobody(told: LifeRig, clock: ManualClock) -> None:
    await told.event_type("NOTE", sink_type=OTHER)
    await told.fire("NOTE", silent=True)  # as one that follows on an alert
    await told.fire("HUB.SINK_LOST")
    await _minutes(told, clock, 30)
    assert await _fired(told, Alert.UNROUTABLE) == []


async def _dies(*_: Any, **__: Any) -> NewEvent:
    raise Unavailable


def test_the_names_are_reserved() -> None:
    assert all(alerts.is_reserved(each) for each in Alert)
