"""How a schedule stands: which definition it is, since when it fires, what lies in a pause, which events are void."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest

from hub.model.configuration import Pause, ScheduleSource, SourceKind
from hub.model.event import Code
from hub.model.snapshot import Snapshot
from hub.model.standing import Standing
from hub.rules import ids
from hub.rules.standing import fires_after, in_pause, standing_after, void
from tests.unit.factories import NOW, event
from tests.unit.test_schedule import schedule

MINUTE = timedelta(minutes=1)
numbers = count(1)


def at(minute: float) -> datetime:
    return NOW + minute * MINUTE


def put(before: tuple[ScheduleSource, Standing] | None, document: ScheduleSource, minute: float) -> Any:
    """The document, written then, and how it stands."""
    moment = at(minute)
    return document, standing_after(before, document, moment, lambda: ids.new(moment, next(numbers), 1))


def test_a_new_definition_begins_when_it_is_written_and_only_a_change_makes_another() -> None:
    first = put(None, schedule(), 0)
    assert (first[1].since, first[1].paused_at) == (at(0), None)
    changes: list[dict[str, Any]] = [
        {"cron": "1 * * * *"},
        {"enabled": False},
        {"payload": {"n": 1}},
        {"overlap": "skip"},
    ]
    for change in changes:
        changed = put(first, schedule(**{"cron": "* * * * *", **change}), 5)
        assert changed[1].definition != first[1].definition
        assert changed[1].since == at(5)
        back = put(changed, schedule(), 6)
        assert back[1].definition not in (first[1].definition, changed[1].definition), (
            "also when it says the same again"
        )


def test_a_pause_changes_no_definition_and_its_end_moves_on_what_is_fired() -> None:
    first = put(None, schedule(), 0)
    paused = put(first, schedule(pause=Pause(note="x")), 5)
    assert paused[1] == Standing(first[1].definition, at(0), at(5))
    noted = put(paused, schedule(pause=Pause(note="y")), 6)
    assert noted[1].paused_at == at(5), "it is one pause"
    resumed = put(noted, schedule(), 9)
    assert resumed[1] == Standing(first[1].definition, at(9), at(5))
    again = put(resumed, schedule(pause=Pause(until=at(20))), 15)
    assert again[1] == Standing(first[1].definition, at(9), at(15))
    assert fires_after(again[1], again[0].pause, at(16)) == at(9)
    assert fires_after(again[1], again[0].pause, at(21)) == at(20), "it ended by itself"
    after = put(again, schedule(), 30)
    assert after[1].since == at(20), "what came after its end and before somebody took it away is fired"


@pytest.mark.parametrize(
    ("pauses", "inside", "outside"),
    [
        ([(5, Pause())], [5, 6, 1000], [0, 4.9]),
        ([(5, Pause()), (9, None)], [5, 8.9], [4.9, 9.1]),
        ([(5, Pause(until=at(8)))], [5, 7.9], [4.9, 8, 9]),
        ([(5, Pause(until=at(8))), (7, Pause(until=at(12)))], [5, 11.9], [4.9, 12]),
        ([(5, Pause(until=at(8))), (7, None)], [5, 6.9], [4.9, 7.1]),
        ([(5, Pause(until=at(8))), (10, Pause())], [10, 11], [9, 9.9]),
    ],
)
def test_what_lies_in_a_pause(pauses: list[Any], inside: list[float], outside: list[float]) -> None:
    stood = put(None, schedule(), 0)
    for minute, pause in pauses:
        stood = put(stood, schedule(pause=pause), minute)
    document, standing = stood
    assert [minute for minute in (*inside, *outside) if in_pause(standing, document.pause, at(minute))] == inside


def test_which_events_are_void() -> None:
    document, standing = put(None, schedule(name="S"), 0)
    made = event(id=ids.new(at(2), 1, 1), source="s", schedule=standing.definition, source_kind=SourceKind.SCHEDULE)

    def seen(source: ScheduleSource | None, stands: Standing | None) -> Snapshot:
        sources = {"s": source} if source is not None else {}
        return Snapshot(version="v", sources=sources, schedules={"s": stands} if stands is not None else {})

    def code(source: ScheduleSource | None, stands: Standing | None) -> Code | None:
        why = void(made, seen(source, stands))
        return why.code if why is not None else None

    assert code(document, standing) is None
    assert code(None, None) is Code.SCHEDULE_CHANGED
    assert code(*put((document, standing), schedule(name="S", enabled=False), 1)) is Code.SCHEDULE_CHANGED
    assert code(*put((document, standing), schedule(name="S", pause=Pause()), 1)) is Code.SCHEDULE_PAUSED
    assert code(*put((document, standing), schedule(name="S", pause=Pause()), 3)) is None
    gone = seen(None, None)
    assert void(made.model_copy(update={"attempt": 1}), gone) is None, "it has begun"
    assert void(made.model_copy(update={"schedule": None}), gone) is None, "no schedule made it"
