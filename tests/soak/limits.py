"""The limits under load: four hub processes on one Azurite, one of them killed with what it holds; then every fault.

A source's rate, the starts in a minute, and how many run at once are judged from what really happened: when requests
were let pass (as the processes said), and when attempts began and ended (as the rows say). What is left of the time
goes to scenes of the simulation that are too long for `make test`, with every fault at every step.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hosting.azurite import start_azurite
from hosting.leash import leash
from hub.clock import SystemClock
from hub.model.configuration import EventType, SinkType
from hub.model.event import Event
from hub.rules.token_bucket import Rate
from hub.storage.azure import open_azure
from tests.life.rig import LifeRig, open_rig
from tests.simulation.sweep import every_fault
from tests.soak.runs import Figures, Violation

ROOT = Path(__file__).resolve().parents[2]
HUBS = 4
RATE = Rate(limit=300, per_seconds=60, burst=100)
STARTS_A_MINUTE, AT_ONCE = 240, 3
POOL = "SOAK:LIMITS"
SCENES = ("rerun", "rated_and_slotted", "three_at_once", "rated")
WINDOWS = (1.0, 10.0, 60.0)
LEAST_SECONDS, MOST_SECONDS = 90.0, 300.0
"""Of the real processes."""


def run(seed: int, seconds: float) -> Figures:
    """Half of the time for real processes, within reason, the rest for the simulation. Raises `Violation`."""
    until = time.monotonic() + seconds
    real = min(MOST_SECONDS, max(LEAST_SECONDS, seconds / 2))
    with start_azurite() as azurite:
        figures = asyncio.run(_real(azurite.connection_string, seed, real))
    return {**figures, **_simulated(seed, until)}


# --- real processes


@dataclass(frozen=True)
class _Seen:
    """What happened."""

    began: float
    ended: float
    killed: float
    passed: Sequence[float]
    rated: Sequence[Event]
    slotted: Sequence[Event]


async def _real(connection: str, seed: int, seconds: float) -> Figures:
    root_key = secrets.token_hex(32)
    async with open_rig(await open_azure(connection), SystemClock()) as rig:
        await rig.configure(SinkType(name=POOL))
        rated = await rig.event_type("RATED", sink_type=POOL, rate_per_minute=STARTS_A_MINUTE)
        slotted = await rig.event_type("SLOTTED", sink_type=POOL, max_running=AT_ONCE)
        starts = [await rig.fire("RATED") for _ in range(int(STARTS_A_MINUTE * seconds / 60 * 1.2) + 40)]
        slots = [await rig.fire("SLOTTED") for _ in range(int(seconds * 4))]
        began = time.time()
        with _hubs(connection, root_key, seed, range(HUBS), seconds) as processes:
            await asyncio.sleep(seconds / 3)
            killed = time.time()
            os.kill(processes[0].pid, signal.SIGKILL)
            said = await asyncio.gather(*(asyncio.to_thread(each.communicate) for each in processes))
        passed = sorted(float(line) for out, _ in said for line in out.split())
        if not all(each.returncode in (0, -signal.SIGKILL) for each in processes):
            raise Violation(f"a hub process ended with {[each.returncode for each in processes]}")
        seen = _Seen(began, began + seconds, killed, passed, await _read(rig, starts), await _read(rig, slots))
        return _judge(seen, rated, slotted)


@contextmanager
def _hubs(
    connection: str, root_key: str, seed: int, numbers: range, seconds: float
) -> Iterator[list[subprocess.Popen[str]]]:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([".", "agent"]), "SOAK_ROOT_KEY": root_key}
    processes = [
        subprocess.Popen(
            leash([sys.executable, "-m", "tests.soak.limits_hub", connection, f"{seed}-{number}", f"{seconds}"]),
            cwd=ROOT,
            env=environ,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in numbers
    ]
    try:
        yield processes
    finally:
        for each in processes:
            each.kill()
            each.wait()


async def _read(rig: LifeRig, events: Sequence[Event]) -> list[Event]:
    return [await rig.read(each.id) for each in events]


def _judge(seen: _Seen, rated: EventType, slotted: EventType) -> Figures:
    seconds = seen.passed[-1] - seen.passed[0]
    due = RATE.burst + RATE.per_second * seconds
    if not 0.9 * due <= len(seen.passed) <= 1.1 * due:
        raise Violation(f"{len(seen.passed)} requests were let pass in {seconds:.1f} s, {due:.0f} were due")
    for window in WINDOWS:
        most, may = _most_in(seen.passed, window), 1.1 * RATE.burst + RATE.per_second * window + 1
        if most > may:
            raise Violation(f"{most} requests were let pass within {window} s, {may:.0f} may")
    begun = sorted(each.started_at.timestamp() for event in seen.rated for each in event.attempts)
    minute = _most_in(begun, 60.0)
    if minute > STARTS_A_MINUTE:
        raise Violation(f"{minute} of {rated.name} began within a minute, {STARTS_A_MINUTE} may")
    at_once = _most_at_once(seen.slotted, seen.killed)
    if at_once > AT_ONCE:
        raise Violation(f"{at_once} of {slotted.name} ran at once, {AT_ONCE} may")
    lost = sum(event.lost for event in (*seen.rated, *seen.slotted))
    return {
        "requests let pass, of those due (%)": 100 * len(seen.passed) / due,
        "starts in the fullest minute, of those allowed (%)": 100 * minute / STARTS_A_MINUTE,
        "starts in all, of those that are possible (%)": 100
        * len(begun)
        / (STARTS_A_MINUTE * (seen.ended - seen.began) / 60),
        "most of three that ran at once": at_once,
        "attempts of max_running": sum(event.attempt for event in seen.slotted),
        "attempts lost with the killed process": lost,
    }


def _most_in(times: Sequence[float], seconds: float) -> int:
    most, first = 0, 0
    for last, at in enumerate(times):
        while times[first] <= at - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def _most_at_once(events: Sequence[Event], killed: float) -> int:
    """Attempts that were lost ended with the process that had them."""
    changes: list[tuple[float, int]] = []
    for event in events:
        for attempt in event.attempts:
            ended = attempt.finished_at.timestamp() if attempt.finished_at else float("inf")
            end = killed if attempt.outcome in (None, "LOST") and attempt.started_at.timestamp() < killed else ended
            changes += [(attempt.started_at.timestamp(), 1), (min(end, ended), -1)]
    most = running = 0
    for _, change in sorted(changes):
        running += change
        most = max(most, running)
    return most


# --- the simulation


def _simulated(seed: int, until: float) -> Figures:
    logging.disable(logging.CRITICAL)
    runs = 0
    try:
        for scene in SCENES:
            for outcome in every_fault(scene, seed):
                if outcome.violations:
                    raise Violation(outcome.report(lines=120))
                runs += 1
                if time.monotonic() > until:
                    return {"schedules of limits and reruns": runs}
    finally:
        logging.disable(logging.NOTSET)
    return {"schedules of limits and reruns": runs}
