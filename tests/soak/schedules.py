"""A simulated day of a thousand schedules on three hubs, killed at random; and more days while there is time."""

from __future__ import annotations

import logging
import time
from itertools import chain

from tests.life.simulated_day import Day, live
from tests.simulation.sweep import every_fault
from tests.soak.runs import Figures, Violation

SCHEDULES, HOURS = 1000, 24.0
CHANCES = (0.003, 0.01, 0.03)
"""Of a fault at each storage operation, by turns: from a kill now and then to several in each minute."""
SCENES = ("scheduled", "scheduled_in_line")
DAYS_APART = 1000
"""Between two values of the seed: no day is run for both."""


def run(seed: int, seconds: float) -> Figures:
    """One whole day at least, and half of the time for scenes of the simulation. Raises `Violation`."""
    logging.disable(logging.CRITICAL)  # hubs say what fails, and here a lot does
    until = time.monotonic() + seconds
    try:
        figures = _days(seed * DAYS_APART, time.monotonic() + seconds / 2)
        return {**figures, "scenes with a fault each": _scenes(seed, until)}
    finally:
        logging.disable(logging.NOTSET)


def _scenes(seed: int, until: float) -> int:
    """Every fault at every step, as far as the time goes."""
    runs = 0
    for outcome in chain.from_iterable(every_fault(scene, seed) for scene in SCENES):
        if time.monotonic() > until:
            break
        if outcome.violations:
            raise Violation(outcome.report(lines=120))
        runs += 1
    return runs


def _days(seed: int, until: float) -> Figures:
    days = ticks = events = faults = kills = late = 0
    while not days or time.monotonic() < until:
        day = Day(seed + days, SCHEDULES, HOURS, CHANCES[days % len(CHANCES)])
        account = live(day)
        if account.wrong:
            raise Violation(f"{day}: {len(account.wrong)} are wrong\n" + "\n".join(account.wrong[:50]))
        days += 1
        ticks += account.ticks
        events += account.events
        faults += account.faults
        kills += account.kills
        late += account.late
    return {
        "simulated days": days,
        "ticks": ticks,
        "events": events,
        "injected faults": faults,
        "hubs killed": kills,
        "made after their time (%)": 100 * late / events,
    }
