"""Which events of schedules are late, and which only wait as they should."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hub.model.configuration import EventType, Overlap, Pause, ScheduleSource, SourceKind, WebhookSource
from hub.model.event import Event, State
from hub.model.snapshot import Snapshot
from hub.rules.lateness import LATE, Late, LateEvents, missed
from tests.unit.factories import NOW, event

MINUTE = timedelta(minutes=1)


def source(**fields: Any) -> ScheduleSource:
    given = {"name": "Nightly", "event_types": ("CLEAN",), "cron": "* * * * *", **fields}
    return ScheduleSource(kind=SourceKind.SCHEDULE, **given)


def late_of(*events: Event, of: ScheduleSource | WebhookSource | None = None, **event_type: Any) -> Late | None:
    snapshot = Snapshot(
        version="v",
        event_types={"clean": EventType(name="CLEAN", sink_type="P", action="a", **event_type)},
        sources={"nightly": of or source()},
    )
    late = LateEvents(snapshot, NOW)
    late.look_at(events)
    assert len(late.by_schedule) < 2
    return next(iter(late.by_schedule.values()), None)


def tick(minutes_ago: float = 6, **fields: Any) -> Event:
    """An event that was made two minutes before its time."""
    at = NOW - MINUTE * minutes_ago
    given = {"created_at": at - MINUTE * 2, "not_before": at, "schedule": "d", "source": "nightly", **fields}
    return event(**given)


def test_an_event_that_waits_from_its_time_on() -> None:
    waits = tick()
    late = late_of(waits)
    assert late is not None
    assert (late.tick, late.count, late.event_id) == (waits.not_before, 1, waits.id)


@pytest.mark.parametrize(("minutes", "is_late"), [(4.9, False), (5, True), (-1, False)])
def test_it_is_late_after_five_minutes(minutes: float, is_late: bool) -> None:
    assert (late_of(tick(minutes)) is not None) is is_late


@pytest.mark.parametrize(
    "fields",
    [
        {"attempt": 1},
        {"silent": True},
        {"state": State.RUNNING},
        {"state": State.SUCCESS},
        {"schedule": None},
        {"source": None},
        {"source": "gone"},
        {"not_before": None},
        {"created_at": NOW - MINUTE},
    ],
    ids=str,
)
def test_what_is_not_late(fields: dict[str, Any]) -> None:
    assert late_of(tick(**fields)) is None


def test_what_waits_as_it_should() -> None:
    assert late_of(tick(), of=source(overlap=Overlap.QUEUE)) is None
    assert late_of(tick(), of=source(overlap=Overlap.SKIP)) is not None
    assert late_of(tick(), pause=Pause()) is None
    assert late_of(tick(), enabled=False) is None
    webhook = WebhookSource(name="Nightly", kind=SourceKind.WEBHOOK, event_types=("CLEAN",))
    assert late_of(tick(), of=webhook) is None


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_the_first_of_many_is_named_whatever_their_order(order: tuple[int, ...]) -> None:
    events = [tick(minutes, id=f"01E{minutes}") for minutes in (9, 8, 7)]
    late = late_of(*(events[each] for each in order))
    assert late is not None
    assert (late.event_id, late.tick, late.count) == ("01E9", events[0].not_before, 3)


def test_ticks_that_were_missed_are_counted_up_to_the_latest_that_is_late() -> None:
    at = NOW.replace(second=0, microsecond=0)
    assert missed(source(), at - LATE + MINUTE, at) is None
    late = missed(source(), at - LATE - MINUTE * 3, at)
    assert late is not None
    assert (late.tick, late.count) == (at - LATE - MINUTE * 3, 4)
    once = missed(source(cron=None, at=at - LATE), at - LATE, at)
    assert once is not None
    assert once.count == 1


def test_a_month_of_ticks_is_not_counted_to_its_end() -> None:
    late = missed(source(), NOW.replace(second=0, microsecond=0) - timedelta(days=30), NOW)
    assert late is not None
    assert late.count == 1000
