from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model.configuration import Action, EventType, Runtime, SinkType
from hub.model.event import Event, Outcome, State
from hub.model.snapshot import Snapshot
from hub.rules import lifecycle, tracing
from hub.rules.hints import fresh_hint_due
from hub.rules.lifecycle import Report
from hub.rules.waiting import may_need_help, overdue, paused
from tests.unit.factories import NOW, event, running

LATER = NOW + timedelta(seconds=61)
PAUSED = {"note": "", "until": LATER}


def snapshot(sink_type: dict[str, Any] | None = None, **fields: Any) -> Snapshot:
    return Snapshot(
        version="v1",
        sink_types={"python:base": SinkType(name="PYTHON:BASE", **(sink_type or {}))},
        actions={"clean": Action(name="clean", runtime=Runtime.PYTHON, module="clean:run")},
        event_types={"clean": EventType(name="CLEAN", sink_type="PYTHON:BASE", action="clean", **fields)},
    )


@pytest.mark.parametrize(
    ("waiting", "seconds", "now", "expected"),
    [
        (event(), 60, LATER, True),
        (event(), 60, NOW + timedelta(seconds=60), False),
        (event(), None, LATER, False),
        (event(not_before=NOW + timedelta(seconds=30)), 60, LATER, False),
        (event(attempt=1), 60, LATER, False),
        (running(), 60, LATER, False),
        (event(event_type="GONE"), 60, LATER, False),
    ],
)
def test_only_what_never_ran_can_be_too_late(
    waiting: Event, seconds: int | None, now: datetime, expected: bool
) -> None:
    assert overdue(waiting, snapshot(queue_timeout_seconds=seconds), now) is expected


@pytest.mark.parametrize(
    ("configuration", "now", "expected"),
    [
        (snapshot(), NOW, False),
        (snapshot(enabled=False), NOW, True),
        (snapshot(pause=PAUSED), NOW, True),
        (snapshot(pause=PAUSED), LATER, False),
        (snapshot(pause={}), NOW + timedelta(days=999), True),
        (snapshot(sink_type={"pause": PAUSED}), NOW, True),
    ],
)
def test_what_is_paused_or_disabled_waits(configuration: Snapshot, now: datetime, expected: bool) -> None:
    assert paused(event(), configuration, now) is expected


def test_fresh_hints_come_ever_more_rarely() -> None:
    waiting, hours = event(), []
    for hour in range(1, 61 * 24):
        if fresh_hint_due(waiting, NOW + timedelta(hours=hour)):
            waiting = waiting.model_copy(update={"hints": waiting.hints + 1})
            hours.append(hour)
    assert hours == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]


def test_a_living_lease_and_a_back_off_are_no_reason_for_a_hint() -> None:
    assert not fresh_hint_due(running(), NOW + timedelta(minutes=59))
    assert fresh_hint_due(running(), NOW + timedelta(minutes=61))
    waiting = event(not_before=NOW + timedelta(hours=5))
    assert not fresh_hint_due(waiting, NOW + timedelta(hours=5, minutes=59))
    lost = lifecycle.apply(running(), {"state": State.QUEUED})
    assert fresh_hint_due(lost, NOW + timedelta(hours=1))


@pytest.mark.parametrize(
    ("waiting", "timeout", "now", "expected"),
    [
        (event(), None, NOW + timedelta(minutes=59), False),
        (event(), None, NOW + timedelta(hours=1), True),
        (event(hints=1), None, NOW + timedelta(hours=1), False),
        (event(not_before=NOW + timedelta(hours=5)), None, NOW + timedelta(hours=5), False),
        (event(), 60, NOW + timedelta(seconds=60), False),
        (event(), 60, NOW + timedelta(seconds=61), True),
        (running(), None, NOW + timedelta(seconds=29), False),
        (running(), None, NOW + timedelta(seconds=30), True),
        (event(state=State.SUCCESS), None, NOW, True),
    ],
)
def test_only_what_something_may_be_due_for_is_read_whole(
    waiting: Event, timeout: int | None, now: datetime, expected: bool
) -> None:
    assert may_need_help(waiting, snapshot(queue_timeout_seconds=timeout), now, now) is expected


@given(
    seconds=st.integers(0, 400_000),
    hints=st.integers(0, 6),
    timeout=st.none() | st.integers(1, 400_000),
    later=st.none() | st.integers(0, 400_000),
    life=st.sampled_from(["queued", "running", "failed once", "final"]),
    seen_before=st.none() | st.integers(0, 400_000),
)
def test_nothing_that_is_due_is_passed_over(
    seconds: int, hints: int, timeout: int | None, later: int | None, life: str, seen_before: int | None
) -> None:
    """Whatever upkeep does once it has read the row whole, the few columns have told that it may have to."""
    at = NOW + timedelta(seconds=seconds)
    expired_before = NOW + timedelta(seconds=seen_before) if seen_before is not None else None
    not_before = NOW + timedelta(seconds=later) if later is not None else None
    waiting = _lived(life, not_before).model_copy(update={"hints": hints})
    configuration = snapshot(queue_timeout_seconds=timeout)
    lost = (
        waiting.state is State.RUNNING
        and expired_before is not None
        and waiting.lease_until is not None
        and waiting.lease_until <= expired_before
    )
    due = waiting.state.final or lost or overdue(waiting, configuration, at) or fresh_hint_due(waiting, at)
    assert may_need_help(waiting, configuration, at, expired_before) or not due


def _lived(life: str, not_before: datetime | None) -> Event:
    if life == "queued":
        return event(not_before=not_before)
    if life == "running":
        return running()
    held = lifecycle.holding(running())
    later = NOW + timedelta(seconds=7)
    report = Report(State.ERROR, Outcome.ERROR)
    if life == "final":
        return lifecycle.apply(running(), lifecycle.finish(held, report, later))
    return lifecycle.apply(running(), lifecycle.retry(held, report, later, not_before or later))


VALID = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    "given",
    [
        "",
        "00-0",
        VALID.upper(),
        VALID + "-x",
        "ff" + VALID[2:],
        VALID.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32),
    ],
)
def test_a_wrong_trace_context_is_replaced_by_a_valid_one(given: str) -> None:
    made = tracing.traceparent_of({"traceparent": given}, 0)
    assert made != given
    assert tracing.traceparent_of({"traceparent": made}, 1) == made


def test_a_valid_trace_context_is_kept() -> None:
    assert tracing.traceparent_of({"traceparent": VALID}, 0) == VALID


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-correlation-id": "a-7", "x-request-id": "b"}, "a-7"),
        ({"x-request-id": "b"}, "b"),
        ({"x-correlation-id": "two words"}, None),
        ({"x-correlation-id": "x" * 129, "x-request-id": "b"}, "b"),
        ({"x-correlation-id": "a\nb"}, None),
        ({}, None),
    ],
)
def test_the_callers_own_id(headers: dict[str, str], expected: str | None) -> None:
    assert tracing.correlation_id_of(headers) == expected
