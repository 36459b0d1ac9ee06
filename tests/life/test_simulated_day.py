"""A short piece of the simulated day (`make soak ONLY=schedules` is the long one), with a fixed seed."""

from __future__ import annotations

from tests.life.simulated_day import Day, live


def test_three_hubs_that_are_killed_at_random_lose_no_tick_and_double_none() -> None:
    account = live(Day(seed=1, schedules=150, hours=2.5, chance=0.05))
    assert account.wrong == []
    assert account.events > 400
    assert account.kills > 20
    assert account.faults > 100
    assert account.late < account.events / 20, "made ahead, nearly always"
