"""The life of an event on the real use cases: what is written, what is given out, what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.errors import Cancelled, Invalid, NotFound, Rejected, Superseded, TimedOut
from hub.life.terms import Terms
from hub.model.configuration import OnLost, RetryPolicy
from hub.model.event import Code, Outcome, State
from hub.rules import ids
from hub.rules.keeping import Keeping
from hub.storage.embedded import open_embedded
from hub.wire import Logs, Renew, ResultState
from tests.contract.rig import ManualClock
from tests.life.rig import SINK, LifeRig, open_rig


async def test_parameters_come_from_the_event_type_the_payload_and_by_name_from_the_secrets(rig: LifeRig) -> None:
    parameters = [
        {"name": "path", "type": "STATIC", "value": "/tmp"},
        {"name": "host", "type": "DATA", "value": "host.name"},
        {"name": "token", "type": "SECRET", "value": "api-token"},
    ]
    own = [{"name": "Path", "type": "STATIC", "value": "/var"}]
    await rig.event_type("A", action={"parameters": parameters}, parameters=own)
    await rig.fire("A", b'{"host":{"name":"web-1"}}')

    task = await rig.one()

    assert [each.model_dump() for each in task.parameters] == [
        {"name": "Path", "value": "/var"},
        {"name": "host", "value": "web-1"},
        {"name": "token", "secret": "api-token"},
    ]
    recorded = (await rig.read(task.event_id)).attempts[0].run.parameters
    assert recorded == {"Path": "STATIC", "host": "DATA host.name", "token": "SECRET api-token"}


async def test_an_event_whose_parameters_cannot_be_computed_ends_with_words(rig: LifeRig) -> None:
    bad = [{"name": "n", "type": "DATA", "value": "length(n)"}]
    await rig.event_type("A", action={"parameters": bad})
    event = await rig.fire("A", b'{"n":7}')

    assert await rig.poll(seconds=0.2) == ()

    ended = await rig.read(event.id)
    assert (ended.state, ended.result_code) == (State.ERROR, Code.PARAMETER_FAILED)
    assert "parameters n:" in (ended.result_message or "")


async def test_creating_the_same_event_twice_makes_one_and_hints_twice(rig: LifeRig) -> None:
    await rig.event_type("A")
    same = ids.derived(rig.clock.now(), "delivery", "7", shard="0")

    first, second = await rig.fire("A", id=same), await rig.fire("A", b'{"other":1}', id=same)

    assert first.id == second.id == same
    assert (await rig.one()).payload == {}
    assert await rig.poll(seconds=0.2) == (), "the second hint finds the event running, and hides"


@pytest.mark.parametrize("size", [48 * 1024, 48 * 1024 + 1, 4 * 1024 * 1024])
async def test_a_payload_of_any_size_arrives_whole(either: LifeRig, size: int) -> None:
    await either.event_type("A")
    event = await either.fire("A", b'"' + b"x" * (size - 2) + b'"')

    task = await either.one()

    assert len(task.payload) == size - 2
    assert ((await either.read(event.id)).payload.blob is not None) is (size > 48 * 1024)


async def test_a_large_result_is_kept_and_reaches_the_follow_on(either: LifeRig) -> None:
    await either.event_type("NEXT")
    await either.event_type("A", on={"on_success": "NEXT"})
    await either.fire("A")
    await either.report(await either.one(), data="y" * 100_000)

    following = await either.one()

    assert following.payload["parent"]["result_data"] == "y" * 100_000


async def test_a_follow_on_knows_its_parent_and_its_root(rig: LifeRig) -> None:
    await rig.event_type("C")
    await rig.event_type("B", on={"on_failure": "C"})
    await rig.event_type("A", on={"on_success": "B"})
    root = await rig.fire("A", correlation_id="order-7", traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01")
    await rig.report(await rig.one(), code="OK", message="fine", data={"rows": 3})
    second = await rig.one()
    await rig.report(second, ResultState.ERROR, code="EXIT_1", message="no")

    third = await rig.one()

    parent = second.payload["parent"]
    assert parent == {
        "id": root.id,
        "event_type": "A",
        "state": "SUCCESS",
        "result_code": "OK",
        "result_message": "fine",
        "result_data": {"rows": 3},
    }
    assert (third.event_type, third.parent_id, third.root_id) == ("C", second.event_id, root.id)
    kept = (await rig.read(third.event_id)).traceparent
    assert (third.correlation_id, kept) == (root.correlation_id, root.traceparent)
    assert third.traceparent is not None
    assert third.traceparent.split("-")[1] == "1" * 32, "its run is a span of the same trace"
    assert (await rig.read(third.event_id)).depth == 2
    assert (await rig.read(root.id)).settled


async def test_a_repeated_report_is_answered_and_changes_nothing(rig: LifeRig) -> None:
    await rig.event_type("B")
    await rig.event_type("A", on={"on_success": "B"})
    await rig.fire("A")
    task = await rig.one()
    await rig.report(task, data=1)
    before = await rig.stored(task.event_id)

    await rig.report(task, data=2)
    await rig.report(task, ResultState.ERROR)

    assert await rig.stored(task.event_id) == before
    assert len(await rig.poll(slots=8)) == 1, "one follow-on"


async def test_a_lease_ends_with_the_report_of_its_attempt(rig: LifeRig) -> None:
    """Though the report may be repeated, what was recorded is not held any more."""
    await rig.event_type("A", retry=RetryPolicy(max_attempts=2, backoff_seconds=60))
    await rig.fire("A")
    task = await rig.one()
    await rig.report(task, ResultState.ERROR)
    before = await rig.stored(task.event_id)

    with pytest.raises(Superseded, match="recorded"):
        await rig.hub.agents.renew(SINK, task.event_id, Renew(token=task.token))

    assert await rig.stored(task.event_id) == before


async def test_a_failure_is_tried_again_after_its_back_off(rig: LifeRig, clock: ManualClock) -> None:
    await rig.event_type("A", retry=RetryPolicy(max_attempts=2, backoff_seconds=10, jitter=0))
    event = await rig.fire("A")
    first = await rig.one()
    await rig.report(first, ResultState.ERROR, code="EXIT_1", logs=(rig.chunk("first"),))
    await rig.report(first, ResultState.ERROR, code="EXIT_1")  # repeated: it was recorded as a retry

    assert await rig.poll(seconds=0.2) == ()
    clock.advance(10)
    second = await rig.one()
    await rig.report(second, ResultState.ERROR, code="EXIT_2", logs=(rig.chunk("second"),))

    ended = await rig.read(event.id)
    assert (ended.state, ended.result_code, ended.failures) == (State.ERROR, "EXIT_2", 2)
    assert [(each.outcome, each.result_code) for each in ended.attempts] == [
        (Outcome.ERROR, "EXIT_1"),
        (Outcome.ERROR, "EXIT_2"),
    ]
    page = await rig.hub.logs.read(event.id, after=0)
    assert ([line.text for line in page.lines], page.complete) == (["first", "second"], True)


async def test_a_lost_sink_is_replaced_at_the_second_sighting(rig: LifeRig, clock: ManualClock) -> None:
    await rig.event_type("A")
    event = await rig.fire("A")
    lost = await rig.one()
    clock.advance(35)

    assert await rig.poll(seconds=0.2) == (), "seen expired once: its holder may be about to renew"
    clock.advance(10)
    task = await rig.one()

    assert task.attempt == 2
    with pytest.raises(Superseded):
        await rig.report(lost)
    await rig.report(task)
    assert [each.outcome for each in (await rig.read(event.id)).attempts] == [Outcome.LOST, Outcome.SUCCESS]


async def test_a_holder_that_renews_after_an_outage_keeps_its_task(rig: LifeRig, clock: ManualClock) -> None:
    await rig.event_type("A")
    await rig.fire("A")
    task = await rig.one()
    clock.advance(120)
    assert await rig.poll(seconds=0.2) == ()

    await rig.hub.agents.renew(SINK, task.event_id, Renew(token=task.token))
    clock.advance(12)

    assert await rig.poll(seconds=0.2) == ()
    await rig.report(task)


async def test_what_is_handed_back_runs_at_once(rig: LifeRig) -> None:
    await rig.event_type("A")
    event = await rig.fire("A")
    await rig.report(await rig.one(), ResultState.RETURNED, started=True, message="restarted")

    task = await rig.one()

    assert task.attempt == 2
    current = await rig.read(event.id)
    assert (current.attempts[0].outcome, current.lost) == (Outcome.RETURNED, 1)


async def test_work_that_must_not_start_twice_is_confirmed_and_fails_when_lost(
    rig: LifeRig, clock: ManualClock
) -> None:
    await rig.event_type("A", retry=RetryPolicy(on_lost=OnLost.FAIL))
    event = await rig.fire("A")
    unconfirmed = await rig.one()
    assert unconfirmed.confirm
    clock.advance(35)
    await rig.poll(seconds=0.2)
    clock.advance(10)
    confirmed = await rig.one()
    await rig.hub.agents.renew(SINK, confirmed.event_id, Renew(token=confirmed.token))
    clock.advance(35)
    await rig.poll(seconds=0.2)
    clock.advance(10)

    assert await rig.poll(seconds=0.2) == ()

    ended = await rig.read(event.id)
    assert (ended.state, ended.result_code) == (State.ERROR, Code.LOST)
    assert [each.outcome for each in ended.attempts] == [Outcome.NOT_STARTED, Outcome.LOST]


async def test_cancelling_a_running_event_tells_the_sink_and_refuses_its_result(rig: LifeRig) -> None:
    await rig.event_type("A")
    event = await rig.fire("A")
    task = await rig.one()

    cancelled = await rig.hub.canceller.cancel(event.id)
    again = await rig.hub.canceller.cancel(event.id)

    assert cancelled.state is again.state is State.ERROR
    with pytest.raises(Cancelled):
        await rig.hub.agents.renew(SINK, event.id, Renew(token=task.token))
    with pytest.raises(Cancelled):
        await rig.report(task)
    assert (await rig.read(event.id)).attempts[0].outcome is Outcome.CANCELLED


async def test_a_cancelled_queued_event_is_never_given_out(rig: LifeRig) -> None:
    await rig.event_type("A")
    event = await rig.fire("A")
    await rig.hub.canceller.cancel(event.id)

    assert await rig.poll(seconds=0.2) == ()


async def test_a_finished_event_cannot_be_cancelled(rig: LifeRig) -> None:
    await rig.event_type("A")
    event = await rig.fire("A")
    await rig.report(await rig.one())

    with pytest.raises(Rejected, match="too late: the event ended as SUCCESS"):
        await rig.hub.canceller.cancel(event.id)
    with pytest.raises(NotFound):
        await rig.hub.canceller.cancel(ids.new(rig.clock.now(), 0, 1))


async def test_the_hub_ends_an_attempt_that_outlives_its_run_time_out(rig: LifeRig, clock: ManualClock) -> None:
    await rig.event_type("A", timeout_seconds=10)
    event = await rig.fire("A")
    task = await rig.one()
    clock.advance(41)

    with pytest.raises(TimedOut):
        await rig.hub.agents.renew(SINK, task.event_id, Renew(token=task.token))

    ended = await rig.read(event.id)
    assert (ended.state, ended.result_code) == (State.ERROR, Code.RUN_TIMEOUT)
    with pytest.raises(TimedOut):
        await rig.report(task)


async def test_an_event_past_its_queue_time_out_ends_without_any_sink(rig: LifeRig, clock: ManualClock) -> None:
    await rig.event_type("A", queue_timeout_seconds=60)
    event = await rig.fire("A")
    clock.advance(61)

    await rig.hub.upkeep.tick()

    assert (await rig.read(event.id)).result_code == Code.QUEUE_TIMEOUT
    assert await rig.poll(seconds=0.2) == ()


async def test_a_follow_on_that_a_crash_left_owed_is_made_by_the_timer(rig: LifeRig) -> None:
    await rig.event_type("B")
    await rig.event_type("A", on={"on_success": "B"})
    event = await rig.fire("A")
    task = await rig.one()
    with pytest.MonkeyPatch.context() as crash:
        crash.setattr(rig.hub.creator, "create", _die)
        with pytest.raises(SystemExit):
            await rig.report(task)
    assert (await rig.read(event.id)).owes is not None

    await rig.hub.upkeep.tick()

    assert (await rig.read(event.id)).settled
    assert [each.event_type for each in await rig.poll(slots=8)] == ["B"]


async def _die(_: object) -> None:
    raise SystemExit


async def test_a_lease_is_worthless_without_the_sink_it_names(rig: LifeRig) -> None:
    await rig.event_type("A")
    await rig.fire("A")
    task = await rig.one()
    for sink, event_id, token in [
        ("sink-2", task.event_id, task.token),
        (SINK, ids.new(rig.clock.now(), 1, 1), task.token),
        (SINK, task.event_id, task.token[:-4] + "AAAA"),
        (SINK, task.event_id, "x"),
    ]:
        with pytest.raises(Invalid):
            await rig.hub.agents.renew(sink, event_id, Renew(token=token))


async def test_a_viewer_makes_the_sink_stream(rig: LifeRig, clock: ManualClock) -> None:
    await rig.event_type("A")
    event = await rig.fire("A")
    task = await rig.one()
    quiet = await rig.hub.agents.logs(SINK, event.id, Logs(token=task.token, chunk=rig.chunk("one", "two"), renew=True))
    page = await rig.hub.logs.read(event.id, after=0)
    last = page.lines[-1].seq

    watched = await rig.hub.agents.renew(SINK, event.id, Renew(token=quiet.token))

    assert ([line.text for line in page.lines], page.complete) == (["one", "two"], False)
    assert (quiet.watched, watched.watched) == (False, True)
    clock.advance(31)
    later = await rig.hub.agents.renew(SINK, event.id, Renew(token=watched.token))
    assert not later.watched
    await rig.hub.agents.logs(SINK, event.id, Logs(token=task.token, chunk=rig.chunk("one", "two")))
    await rig.report(task, logs=(rig.chunk("three", first=3),))
    rest = await rig.hub.logs.read(event.id, after=last)
    assert ([line.text for line in rest.lines], rest.complete) == (["three"], True)


async def test_no_more_run_at_once_than_the_event_type_allows(rig: LifeRig, clock: ManualClock) -> None:
    await rig.event_type("A", max_running=2)
    for _ in range(3):
        await rig.fire("A")

    first = await rig.poll(slots=8)
    assert len(first) == 2
    await rig.report(first[0])
    clock.advance(15)  # the third was hidden for so long when it met no slot
    (third,) = await rig.poll(slots=8)

    renewed = await rig.hub.agents.renew(SINK, first[1].event_id, Renew(token=first[1].token))
    clock.advance(15)
    assert await rig.poll(slots=8, seconds=0.2) == ()
    await rig.report(third)
    await rig.report(first[1].model_copy(update={"token": renewed.token}))


async def test_an_event_moves_to_the_queue_that_todays_configuration_names(rig: LifeRig) -> None:
    await rig.event_type("A", sink_type="OTHER")
    event = await rig.fire("A")
    await rig.event_type("A")
    assert await rig.poll(seconds=0.2) == (), "its hint still lies on the queue of the other type"

    assert await rig.poll(sink="sink-2", sink_type="OTHER", seconds=0.2) == ()

    assert (await rig.one()).event_id == event.id


async def test_an_event_type_that_is_paused_or_disabled_waits(rig: LifeRig, clock: ManualClock) -> None:
    until = rig.clock.now() + timedelta(seconds=60)
    await rig.event_type("A", pause={"note": "maintenance", "until": until})
    event = await rig.fire("A")
    assert await rig.poll(seconds=0.2) == ()

    clock.advance(61)

    assert (await rig.one()).event_id == event.id


async def test_two_months_offline_give_a_dozen_hints(rig: LifeRig, clock: ManualClock) -> None:
    await rig.event_type("A")
    event = await rig.fire("A")
    for _ in range(61 * 24):
        clock.advance(3600)
        await rig.hub.upkeep.tick()

    assert await rig.hub.storage.queues.depth(event.queue) <= 12
    assert (await rig.one()).event_id == event.id


async def test_retention_takes_what_is_settled_and_nothing_else(clock: ManualClock) -> None:
    async with open_rig(
        open_embedded(None, clock), clock, terms=Terms(inline_bytes=10), keeping=Keeping.all_for(1)
    ) as rig:
        await rig.event_type("A")
        done, waiting = await rig.fire("A", b'"a long payload"'), await rig.fire("A")
        task = next(each for each in await rig.poll(slots=2) if each.event_id == done.id)
        await rig.hub.agents.logs(SINK, done.id, Logs(token=task.token, chunk=rig.chunk("one")))
        await rig.report(task, data="a long result")
        clock.advance(86_400 + 7_200)
        await rig.hub.upkeep.tick()

        with pytest.raises(NotFound):
            await rig.hub.logs.read(done.id, after=0)
        assert (await rig.read(waiting.id)).id == waiting.id


async def test_a_hint_whose_row_is_missing_is_dropped_only_when_old(rig: LifeRig, clock: ManualClock) -> None:
    await rig.event_type("A")
    made = await rig.fire("A")
    stored = await rig.stored(made.id)
    await rig.hub.context.events.delete(made.id, stored.etag)
    for _ in range(4):
        await rig.poll(seconds=0.1)
        clock.advance(70)
    assert await rig.hub.storage.queues.depth(made.queue) == 1

    clock.advance(600)
    await rig.poll(seconds=0.1)

    assert await rig.hub.storage.queues.depth(made.queue) == 0


async def test_a_retry_is_due_after_its_back_off_though_the_answer_to_a_renewal_was_lost(
    rig: LifeRig, clock: ManualClock
) -> None:
    """The renewal has hidden the hint for a whole lease, and the sink does not know its new receipt."""
    await rig.event_type("A", retry=RetryPolicy(max_attempts=2, backoff_seconds=3, jitter=0))
    await rig.fire("A")
    task = await rig.one()
    clock.advance(10)
    await rig.hub.agents.renew(SINK, task.event_id, Renew(token=task.token))
    await rig.report(task, ResultState.ERROR)
    clock.advance(4)
    assert (await rig.one()).attempt == 2
