"""HUB.FAILED: who fails without a handler is told of, once a minute for each type, whatever dies meanwhile."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hub.errors import Unavailable
from hub.life import create
from hub.life.rerun import Wish
from hub.model.configuration import OnLost, RetryPolicy, SourceKind
from hub.model.event import Code, Event, State
from hub.rules import alerts
from hub.rules.rerunning import RerunAs
from hub.storage import keys
from hub.storage.embedded import open_embedded
from hub.wire import Renew, ResultState
from tests.contract.rig import ManualClock
from tests.life.rig import SINK, LifeRig, open_rig

ERROR = ResultState.ERROR


@pytest.fixture
async def told(rig: LifeRig) -> LifeRig:
    """A hub whose admin wants to be told of failures."""
    await rig.event_type("HUB.FAILED", lease_seconds=600)
    return rig


async def _fail(rig: LifeRig, event_type: str, **report: Any) -> Event:
    event = await rig.fire(event_type)
    task = next(each for each in await rig.poll(slots=8) if each.event_id == event.id)
    await rig.report(task, ERROR, **report)
    return await rig.read(event.id)


async def _alerts(rig: LifeRig) -> list[Event]:
    """Every alert there is."""
    found = []
    for indexed in await rig.hub.context.partitions.newest_first():
        rows = await rig.hub.storage.tables.query(keys.EVENTS, indexed.partition.name)
        read = [await rig.read(str(row.values["id"])) for row in rows]
        found += [each for each in read if alerts.is_reserved(each.event_type)]
    return found


async def test_a_failure_that_nothing_handles_fires_an_alert_that_says_everything(told: LifeRig) -> None:
    await told.event_type("BACKUP")
    failed = await _fail(told, "BACKUP", code="NoBackup", message="the folder is empty", data={"secret": "no"})

    (alert,) = await told.poll()

    assert (alert.event_type, alert.event_id) == ("HUB.FAILED", failed.alert)
    at = failed.finished_at
    assert at is not None
    text = "%Y-%m-%dT%H:%M:%S"
    assert alert.payload == {
        "alert": "HUB.FAILED",
        "at": f"{at.strftime(text)}.{at.microsecond // 1000:03d}Z",
        "message": "BACKUP failed: NoBackup: the folder is empty",
        "hub": None,
        "event": {
            "id": failed.id,
            "event_type": "BACKUP",
            "state": "ERROR",
            "result_code": "NoBackup",
            "result_message": "the folder is empty",
            "sink": SINK,
            "attempt": 1,
            "finished_at": f"{at.strftime(text)}.{at.microsecond // 1000:03d}Z",
            "root_id": failed.id,
            "correlation_id": None,
            "address": f"/api/events/{failed.id}",
        },
        "others": alert.payload["others"],
        "others_address": "/api/events?event_type=BACKUP&state=ERROR",
    }
    event = await told.read(alert.event_id)
    assert (event.source_kind, event.source) == (SourceKind.HUB, "BACKUP")
    assert (event.parent_id, event.root_id, event.depth) == (None, event.id, 0), "no tree: many may share it"
    assert failed.settled
    assert failed.follow_on is None


async def test_an_alert_names_the_hubs_public_address(clock: ManualClock) -> None:
    async with open_rig(open_embedded(None, clock), clock, public_url="https://hub.example") as rig:
        await rig.event_type("HUB.FAILED")
        await rig.event_type("A")
        failed = await _fail(rig, "A")
        payload = (await rig.one()).payload
    assert payload["hub"] == "https://hub.example"
    assert payload["event"]["address"] == f"https://hub.example/api/events/{failed.id}"


async def test_failures_of_a_type_in_one_minute_share_an_alert_and_those_of_the_next_have_another(
    told: LifeRig, clock: ManualClock
) -> None:
    await told.event_type("A")
    await told.event_type("B")
    clock.advance(60 - told.clock.now().timestamp() % 60)
    first = await _fail(told, "A")
    clock.advance(30)
    second, other = await _fail(told, "A"), await _fail(told, "B")
    clock.advance(30)
    later = await _fail(told, "A")
    assert first.alert == second.alert
    assert len({first.alert, other.alert, later.alert}) == 3
    assert {each.id for each in await _alerts(told)} == {first.alert, other.alert, later.alert}
    assert json.loads((await told.read(first.alert or "")).payload.inline or b"")["event"]["id"] == first.id


async def test_a_further_failure_of_that_minute_costs_nothing(told: LifeRig, clock: ManualClock) -> None:
    clock.advance(60 - told.clock.now().timestamp() % 60)
    await told.event_type("A")
    spent = []
    for _ in range(3):
        event = await told.fire("A")
        task = next(each for each in await told.poll(slots=8) if each.event_id == event.id)
        before = told.hub.storage.operations.by_kind()
        await told.report(task, ERROR)
        spent.append(told.hub.storage.operations.by_kind() - before)
    assert spent[1] == spent[2] == {"table.merge": 1, "queue.delete": 1}
    assert spent[0] - spent[1] == {"table.merge": 1, "table.insert": 1, "queue.put": 1}


@pytest.mark.parametrize(
    "how",
    [
        {"on": {"on_failure": "HANDLER"}},
        {"retry": RetryPolicy(max_attempts=2)},
    ],
)
async def test_nobody_is_told_of_what_is_handled_or_tried_again(told: LifeRig, how: dict[str, Any]) -> None:
    await told.event_type("HANDLER")
    await told.event_type("A", **how)
    failed = await _fail(told, "A")
    assert failed.alert is None
    assert await _alerts(told) == []


async def test_nobody_is_told_of_what_was_cancelled(told: LifeRig) -> None:
    await told.event_type("A")
    waiting, running = await told.fire("A"), await told.fire("A")
    await told.poll()
    for event in (waiting, running):
        assert (await told.hub.canceller.cancel(event.id)).alert is None
    assert await _alerts(told) == []


@pytest.mark.parametrize("receiver", [None, {"enabled": False}, {"sources": (SourceKind.MANUAL,)}])
async def test_nobody_is_told_who_does_not_want_to_be(rig: LifeRig, receiver: dict[str, Any] | None) -> None:
    if receiver is not None:
        await rig.event_type("HUB.FAILED", **receiver)
    await rig.event_type("A")
    assert (await _fail(rig, "A")).alert is None
    assert await _alerts(rig) == []


async def test_a_handler_that_may_not_run_handles_nothing(told: LifeRig) -> None:
    await told.event_type("HANDLER", enabled=False)
    await told.event_type("A", on={"on_failure": "HANDLER"})
    failed = await _fail(told, "A")
    assert failed.follow_on_skipped is not None
    assert [each.id for each in await _alerts(told)] == [failed.alert]


# --- ends without a report --------------------------------------------------------------------------------------------


async def test_it_is_told_that_the_queue_time_out_has_passed(told: LifeRig, clock: ManualClock) -> None:
    await told.event_type("MET", queue_timeout_seconds=30)
    await told.event_type("UNMET", sink_type="ELSEWHERE", queue_timeout_seconds=30)
    met, unmet = await told.fire("MET"), await told.fire("UNMET")
    clock.advance(31)
    await told.poll(seconds=0.3)
    await told.hub.upkeep.reconcile()
    for event in (met, unmet):
        ended = await told.read(event.id)
        assert ended.result_code == Code.QUEUE_TIMEOUT
        assert (await told.read(ended.alert or "")).source == ended.event_type
        assert ended.settled


async def test_it_is_told_that_the_configuration_is_gone(told: LifeRig) -> None:
    await told.event_type("A", action={"parameters": [{"name": "n", "type": "DATA", "value": "length(n)"}]})
    event = await told.fire("A", b'{"n":1}')
    await told.poll(seconds=0.3)
    ended = await told.read(event.id)
    assert ended.result_code == Code.PARAMETER_FAILED
    assert [each.id for each in await _alerts(told)] == [ended.alert]


@pytest.mark.parametrize("meets", ["poll", "reconcile", "hand back"])
async def test_it_is_told_that_an_event_was_lost(told: LifeRig, clock: ManualClock, meets: str) -> None:
    await told.event_type("A", retry=RetryPolicy(on_lost=OnLost.FAIL))
    event = await told.fire("A")
    task = await told.one()
    token = (await told.hub.agents.renew(SINK, event.id, Renew(token=task.token))).token
    if meets == "hand back":
        await told.report(task.model_copy(update={"token": token}), ResultState.RETURNED)
    for _ in range(3):
        clock.advance(60)
        if meets == "poll":
            await told.poll(seconds=0.3)
        else:
            await told.hub.upkeep.reconcile()
    ended = await told.read(event.id)
    assert ended.result_code == Code.LOST
    assert [each.id for each in await _alerts(told)] == [ended.alert]


async def test_it_is_told_that_a_chain_is_too_deep(told: LifeRig) -> None:
    await told.event_type("A", on={"on_failure": "A"}, action={"allow_cycle": True})
    event = await told.fire("A", depth=33)
    await told.poll(seconds=0.3)
    ended = await told.read(event.id)
    assert ended.result_code == Code.CHAIN_TOO_DEEP
    assert [each.id for each in await _alerts(told)] == [ended.alert]


# --- alerts do not trigger each other ---------------------------------------------------------------------------------


async def test_an_alert_that_fails_is_told_to_nobody_and_neither_is_what_follows_it(told: LifeRig) -> None:
    await told.event_type("NOTE")
    await told.event_type("HUB.FAILED", on={"on_success": "NOTE"})
    await told.event_type("A")
    first = await _fail(told, "A")
    await told.report(await told.one())
    note = await told.one()
    assert note.event_type == "NOTE"
    await told.report(note, ERROR)
    assert (await told.read(note.event_id)).silent
    rerun = await _rerun(told, note.event_id)
    assert rerun.alert is None
    assert [each.id for each in await _alerts(told)] == [first.alert]


async def _rerun(rig: LifeRig, event_id: str) -> Event:

    rerun = await rig.hub.reruns.rerun(Wish(event_id, RerunAs.TODAY))
    await rig.report(await rig.one(), ERROR)
    return await rig.read(rerun.id)


async def test_an_alert_that_fails_fires_none(told: LifeRig, clock: ManualClock) -> None:
    await told.event_type("A")
    first = await _fail(told, "A")
    alert = await told.one()
    clock.advance(60)
    await told.report(alert, ERROR)
    assert (await told.read(alert.event_id)).alert is None
    assert [each.id for each in await _alerts(told)] == [first.alert]


async def test_the_lease_of_what_an_alert_led_to_says_so(told: LifeRig) -> None:
    """It goes through the token: the report of an alert's failure does not read its row."""
    await told.fire("HUB.FAILED")
    task = await told.one()
    before = told.hub.storage.operations.by_kind()
    await told.report(task, ERROR)
    assert told.hub.storage.operations.by_kind() - before == {"table.merge": 1, "queue.delete": 1}
    assert (await told.read(task.event_id)).state is State.ERROR


# --- whatever dies ----------------------------------------------------------------------------------------------------


async def test_the_alert_is_made_by_whoever_meets_the_row_if_the_hub_dies_before(
    told: LifeRig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await told.event_type("A")
    event = await told.fire("A")
    task = await told.one()
    monkeypatch.setattr(create.Creator, "create", _dies)
    with pytest.raises(Unavailable):
        await told.report(task, ERROR)
    owing = await told.read(event.id)
    assert (owing.state, owing.owes, owing.owes_event_type) == (State.ERROR, owing.alert, "HUB.FAILED")
    assert await _alerts(told) == []
    monkeypatch.undo()
    clock.advance(3600)
    await told.hub.upkeep.reconcile()
    assert [each.id for each in await _alerts(told)] == [owing.alert]
    assert (await told.read(event.id)).settled


async def test_the_alert_is_not_made_a_second_time_if_the_hub_dies_after(
    told: LifeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await told.event_type("A")
    event = await told.fire("A")
    task = await told.one()
    merge = type(told.hub.context.events).merge

    async def dies_when_it_clears(rows: Any, event_id: str, changes: Any, etag: str, **more: Any) -> str:
        if "state" not in changes:
            raise Unavailable
        return await merge(rows, event_id, changes, etag, **more)

    monkeypatch.setattr(type(told.hub.context.events), "merge", dies_when_it_clears)
    with pytest.raises(Unavailable):
        await told.report(task, ERROR)
    monkeypatch.undo()
    (alert,) = await told.poll()
    await told.report(alert)
    await told.report(task, ERROR)  # again, since it was not answered
    assert (await told.read(event.id)).settled
    assert [(each.id, each.state) for each in await _alerts(told)] == [(alert.event_id, State.SUCCESS)]


async def test_what_is_owed_when_nobody_wants_to_be_told_any_more_is_forgiven(
    told: LifeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await told.event_type("A")
    event = await told.fire("A")
    task = await told.one()
    monkeypatch.setattr(create.Creator, "create", _dies)
    with pytest.raises(Unavailable):
        await told.report(task, ERROR)
    monkeypatch.undo()
    await told.event_type("HUB.FAILED", enabled=False)
    await told.hub.upkeep.reconcile()
    ended = await told.read(event.id)
    assert (ended.settled, ended.alert) == (True, None)
    assert await _alerts(told) == []


async def _dies(*_: Any, **__: Any) -> Event:
    raise Unavailable
