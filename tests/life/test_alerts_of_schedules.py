"""HUB.SCHEDULE_LATE: ticks that nobody made in time, and events of ticks that no sink takes."""

from __future__ import annotations

import json
import secrets
from datetime import datetime, timedelta
from typing import Any

import pytest

from hub.configure.matching import Match
from hub.errors import Unavailable
from hub.evaluation import InlineEvaluator
from hub.life import alerts
from hub.model.configuration import Kind, Pause, SinkType
from hub.model.event import Event
from hub.rules.alerts import Alert
from hub.rules.lateness import LateEvents
from hub.sources import schedules
from hub.storage import keys
from hub.storage.counting import counting
from hub.wiring import build
from tests.contract.rig import ManualClock
from tests.life.rig import LifeRig

OTHER = "PYTHON:OTHER"
ANY = Match(revisions=frozenset("*"))


@pytest.fixture
async def told(rig: LifeRig, clock: ManualClock) -> LifeRig:
    """A hub at the beginning of an hour, whose admin wants to be told of late schedules, elsewhere."""
    clock.advance(3600 - clock.now().timestamp() % 3600)
    await rig.configure(SinkType(name=OTHER))
    await rig.event_type(Alert.SCHEDULE_LATE, sink_type=OTHER)
    await rig.event_type("A")
    return rig


async def _minutes(rig: LifeRig, clock: ManualClock, count: int, *, working: bool = False) -> None:
    """So many minutes pass, the timer fires in each, and a sink works if there is one."""
    for _ in range(count):
        clock.advance(60)
        await rig.hub.upkeep.tick()
        for task in await rig.poll(slots=32, seconds=0.3) if working else ():
            await rig.report(task)


def _at(rig: LifeRig, minutes: float) -> datetime:
    return rig.hub.context.now() + timedelta(minutes=minutes)


def _cron(at: datetime) -> str:
    """Once a day, at this time."""
    return f"{at.minute} {at.hour} * * *"


async def _events(rig: LifeRig) -> list[Event]:
    found: list[Event] = []
    for indexed in await rig.hub.context.partitions.newest_first():
        rows = await rig.hub.storage.tables.query(keys.EVENTS, indexed.partition.name)
        found += [await rig.read(str(row.values["id"])) for row in rows]
    return found


async def _fired(rig: LifeRig) -> list[Any]:
    """The payloads of the alerts, the newest first."""
    events = [each for each in await _events(rig) if each.event_type == Alert.SCHEDULE_LATE]
    return [json.loads(each.payload.inline or b"") for each in events]


def _another(rig: LifeRig) -> LifeRig:
    """Another process over the same storage, which knows nothing of the first."""
    hub = rig.hub
    return LifeRig(build(hub.options, hub.storage, hub.clock, InlineEvaluator(), lambda: secrets.randbits(128)))


async def test_what_is_on_time_is_not_late(told: LifeRig, clock: ManualClock) -> None:
    await told.schedule()
    await _minutes(told, clock, 12, working=True)
    assert [each for each in await _events(told) if each.state == "SUCCESS"]
    assert await _fired(told) == []


async def test_ticks_that_nobody_made_are_told_of(told: LifeRig, clock: ManualClock) -> None:
    await told.schedule("nightly")
    await _minutes(told, clock, 2, working=True)
    last = _at(told, 2)  # made ahead
    clock.advance(20 * 60)
    back = told.hub.context.now()

    await _minutes(told, clock, 6, working=True)

    (payload,) = await _fired(told)
    first = last + timedelta(minutes=1)
    assert payload == {
        "alert": "HUB.SCHEDULE_LATE",
        "at": f"{back + timedelta(minutes=1):%FT%T}.000Z",
        "message": (
            f"14 ticks are late of the schedule nightly: no hub made them in time, the first due at {first:%F %T} UTC"
        ),
        "hub": None,
        "schedule": "nightly",
        "what": "NOT_MADE",
        "tick": f"{first:%FT%T}.000Z",
        "late_seconds": 18 * 60,
        "count": 14,
        "catch_up": "last",
        "event_types": ["A"],
        "event": None,
        "others": 0,
        "address": "/api/sources/nightly",
    }


async def test_a_tick_that_is_not_caught_up_is_told_of_once(told: LifeRig, clock: ManualClock) -> None:
    await told.schedule(cron=_cron(_at(told, 10)), catch_up="none")
    clock.advance(20 * 60)
    puts = []
    for _ in range(100):
        with counting() as spent:
            await _minutes(_another(told), clock, 1)
        puts.append(spent["queue.put"])
    # Whoever made it may have died before its message was there; afterwards one comes when it has waited for an hour.
    assert (puts[:4], sum(puts[4:])) == ([1, 1, 1, 1], 1)
    (payload,) = await _fired(told)
    assert (payload["what"], payload["count"], payload["catch_up"]) == ("NOT_MADE", 1, "none")
    assert {each.event_type for each in await _events(told)} == {Alert.SCHEDULE_LATE}


async def test_a_tick_that_is_made_a_little_late_is_told_to_nobody(told: LifeRig, clock: ManualClock) -> None:
    await told.schedule(cron=_cron(_at(told, 10)))
    clock.advance(14 * 60)
    await told.hub.upkeep.tick()
    assert await _fired(told) == []


@pytest.mark.parametrize("fields", [{"enabled": False}, {"pause": Pause().model_dump(mode="json")}], ids=str)
async def test_a_schedule_that_is_not_to_fire_is_not_late(
    told: LifeRig, clock: ManualClock, fields: dict[str, Any]
) -> None:
    await told.schedule(**fields)
    clock.advance(20 * 60)
    await _minutes(told, clock, 2)
    assert await _fired(told) == []


async def test_what_was_before_it_was_configured_is_not_late(told: LifeRig, clock: ManualClock) -> None:
    await told.schedule(cron=_cron(_at(told, -30)))
    await _minutes(told, clock, 2)
    await told.schedule(pause={"note": ""})
    clock.advance(25 * 3600)
    await told.hub.resources.pause(Kind.SOURCE, "s", None)
    await _minutes(told, clock, 2)
    assert await _fired(told) == []


async def test_an_event_that_no_sink_takes_is_told_of(told: LifeRig, clock: ManualClock) -> None:
    due = _at(told, 10)
    await told.schedule(cron=_cron(due))
    await _minutes(told, clock, 14)
    assert await _fired(told) == []
    await _minutes(told, clock, 30)

    (payload,) = await _fired(told)

    (event,) = [each for each in await _events(told) if each.event_type == "A"]
    assert (payload["what"], payload["tick"], payload["count"]) == ("NOT_STARTED", f"{due:%FT%T}.000Z", 1)
    assert payload["event"] == {"id": event.id, "address": f"/api/events/{event.id}/explain"}
    assert payload["message"] == f"an event is late of the schedule s: no sink has taken it, due at {due:%F %T} UTC"


async def test_many_that_wait_are_one_alert_an_hour_of_their_ticks(told: LifeRig, clock: ManualClock) -> None:
    await told.schedule(cron="*/2 * * * *")
    await _minutes(told, clock, 90)
    (payload,) = await _fired(told)
    assert payload["event"] is not None
    assert payload["count"] == 1, "as many as there were when it was fired"
    late = LateEvents(await told.hub.context.configuration(), told.hub.context.now())
    for indexed in await told.hub.context.partitions.newest_first():
        page, _ = await told.hub.upkeep._reconciler._rows.open(indexed.partition, after="", limit=500)
        late.look_at(page)
    (known,) = late.by_schedule.values()
    assert (known.count, known.event_id) == (42, payload["event"]["id"])


@pytest.mark.parametrize("of", ["overlap", "pause", "gone", "wanted"])
async def test_an_event_that_is_not_to_run_yet_is_not_late(told: LifeRig, clock: ManualClock, of: str) -> None:
    await told.schedule(cron=_cron(_at(told, 5)), overlap="queue" if of == "overlap" else "allow")
    await _minutes(told, clock, 4)
    if of == "pause":
        await told.event_type("A", pause=Pause())
    if of == "gone":
        await told.hub.resources.delete(Kind.SOURCE, "s", ANY)
    if of == "wanted":
        await told.event_type(Alert.SCHEDULE_LATE, sink_type=OTHER, enabled=False)
    await _minutes(told, clock, 20)
    assert await _fired(told) == []


async def test_what_was_caught_up_late_is_not_told_of_twice(told: LifeRig, clock: ManualClock) -> None:
    await told.schedule(cron="50 * * * *")
    clock.advance(70 * 60)
    await _minutes(told, clock, 4)
    assert [each["what"] for each in await _fired(told)] == ["NOT_MADE"]
    await _minutes(told, clock, 4, working=True)
    assert [each["what"] for each in await _fired(told)] == ["NOT_MADE"]


async def test_who_dies_between_telling_and_making_does_both_once(
    told: LifeRig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await told.schedule()
    clock.advance(20 * 60)
    monkeypatch.setattr(schedules.Schedules, "_make_all", _dies)
    for rig in (told, _another(told)):
        with pytest.raises(Unavailable):
            await rig.hub.upkeep.tick()
    monkeypatch.undo()
    await _minutes(_another(told), clock, 1)
    assert len(await _fired(told)) == 1
    assert [each for each in await _events(told) if each.event_type == "A"]


async def test_what_is_late_does_not_wait_for_somebody_to_be_told(
    told: LifeRig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await told.schedule()
    clock.advance(20 * 60)
    monkeypatch.setattr(alerts.Alerts, "_fire", _dies)
    await told.hub.upkeep.tick()
    assert [each for each in await _events(told) if each.event_type == "A"]


async def test_of_many_that_are_late_the_newest_are_told_of_and_say_so(
    told: LifeRig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "SCHEDULES_AT_ONCE", 3)
    begin = _at(told, 0)
    for number in range(5):
        await told.schedule(f"s{number}", cron=_cron(begin + timedelta(minutes=number + 1)), catch_up="none")
    clock.advance(20 * 60)
    await _minutes(told, clock, 3)
    payloads = await _fired(told)
    assert {each["schedule"] for each in payloads} == {"s2", "s3", "s4"}
    assert {each["others"] for each in payloads} == {4}
    assert payloads[0]["message"].endswith("; 4 more schedules are late")


async def test_it_costs_nothing_while_nothing_is_late(told: LifeRig, clock: ManualClock) -> None:
    await told.schedule(cron="0 0 1 1 *")
    await told.hub.upkeep.tick()

    async def spent() -> dict[str, int]:
        clock.advance(60)
        await told.hub.configuration.current()
        with counting() as found:
            await told.hub.sources.schedules.step()
            await told.hub.upkeep.reconcile()
        return dict(found)

    wanted = await spent()
    await told.event_type(Alert.SCHEDULE_LATE, enabled=False)
    assert await spent() == wanted


async def test_who_does_not_want_to_be_told_pays_nothing(told: LifeRig, clock: ManualClock) -> None:
    await told.event_type(Alert.SCHEDULE_LATE, enabled=False)
    await told.schedule("missed", cron=_cron(_at(told, 1)), catch_up="none")
    clock.advance(20 * 60)
    await told.schedule("waits", cron=_cron(_at(told, 1)))
    await _minutes(told, clock, 10)
    await told.hub.configuration.current()
    with counting() as spent:
        await told.hub.sources.schedules.step()
        await told.hub.upkeep.reconcile()
    assert spent["table.get"] == 3, "the newest configuration, the mark of reconcile, the last count"


async def _dies(*_: Any, **__: Any) -> None:
    raise Unavailable
