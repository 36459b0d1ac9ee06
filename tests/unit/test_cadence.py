from __future__ import annotations

import pytest

from hub.rules.cadence import (
    Cadence,
    CadenceMode,
    Circumstances,
    Fleet,
    cadence,
    max_held_polls,
    offline_after_seconds,
)

HELD = Cadence(50, 0)
CLOUD = Fleet(embedded=False)


def now(sinks: int = 1, since: float | None = None, empty: int = 0, crowded: bool = False) -> Circumstances:
    return Circumstances(sinks=sinks, seconds_since_event=since, empty_answers=empty, crowded=crowded)


@pytest.mark.parametrize(
    ("fleet", "circumstances", "expected"),
    [
        (Fleet(), now(), HELD),
        (Fleet(), now(empty=9), HELD),
        (Fleet(poll_seconds=20), now(), Cadence(20, 0)),
        (Fleet(embedded=False, always_ready=True), now(), HELD),
        (CLOUD, now(sinks=20), Cadence(0, 2)),
        (CLOUD, now(sinks=21), HELD),
        (CLOUD, now(since=0), HELD),
        (CLOUD, now(since=600), HELD),
        (CLOUD, now(since=600.1), Cadence(0, 2)),
        (CLOUD, now(empty=1), Cadence(0, 2)),
        (CLOUD, now(empty=2), Cadence(0, 4)),
        (CLOUD, now(empty=5), Cadence(0, 32)),
        (CLOUD, now(empty=6), Cadence(0, 60)),
        (CLOUD, now(empty=10**9), Cadence(0, 60)),
        (Fleet(mode=CadenceMode.HOLD, embedded=False), now(), HELD),
        (Fleet(mode=CadenceMode.PAUSE, always_ready=True), now(sinks=99, since=0), Cadence(0, 2)),
        (Fleet(), now(crowded=True), Cadence(0, 5)),
        (Fleet(mode=CadenceMode.HOLD), now(crowded=True), Cadence(0, 5)),
    ],
)
def test_how_a_sink_is_told_to_come(fleet: Fleet, circumstances: Circumstances, expected: Cadence) -> None:
    assert cadence(fleet, circumstances) == expected


@pytest.mark.parametrize(
    ("told", "seconds"), [(Cadence(0, 2), 60), (Cadence(50, 0), 150), (Cadence(0, 60), 180), (Cadence(0, 5), 60)]
)
def test_when_a_silent_sink_is_offline(told: Cadence, seconds: float) -> None:
    assert offline_after_seconds(told) == seconds


@pytest.mark.parametrize(
    ("concurrency", "setting", "held"), [(200, None, 150), (1, None, 1), (200, 10, 10), (16, 0, 0)]
)
def test_how_many_polls_a_process_holds(concurrency: int, setting: int | None, held: int) -> None:
    assert max_held_polls(concurrency, setting) == held
