"""Timer triggers: when a timer runs, and what is remembered of it.

A timer never overlaps itself: its next wait begins when a run ends. A run that overlaps its next moment is followed at
once by another, not past due, and the moments between are lost. `past_due` is decided at the start alone, from the
status the last life left behind: one run makes up for however many were missed.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from azure.functions.decorators.timer import TimerTrigger
from azure.functions.meta import Datum

from hosting.errors import IndexingError
from hosting.indexing import TIMER, IndexedFunction
from hosting.schedules import Schedule, is_too_frequent, parse_schedule, zone_from
from hosting.settings import resolve
from hosting.signatures import converter

NEVER = datetime(1, 1, 1, tzinfo=UTC)
# Waiting in pieces follows a clock that is set, or a machine that slept.
LONGEST_WAIT_SECONDS = 30.0

_logger = logging.getLogger("Host.Triggers.Timer")

# Runs the function with its trigger's value to the end; never raises.
Run = Callable[[object], Any]


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """The time of day, aware."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that long."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of a timer: when it last ran, when it is due, and as of when that was computed."""

    last: datetime
    next: datetime
    last_updated: datetime

    def to_json(self) -> dict[str, str]:
        """As the handler sees it, and as it is stored."""
        return {
            "Last": self.last.isoformat(),
            "Next": self.next.isoformat(),
            "LastUpdated": self.last_updated.isoformat(),
        }


class StatusFile:
    """One timer's status between lives: a small file, replaced in one step. Losing it costs one catch-up run."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Status | None:
        """None if there is none, or what is there cannot be read: the timer then starts as a new one."""
        with suppress(OSError, ValueError, LookupError, TypeError):
            document = json.loads(self._path.read_text())
            last, due, updated = (
                datetime.fromisoformat(document[name]).astimezone(UTC) for name in ("Last", "Next", "LastUpdated")
            )
            return Status(last, due, updated)
        return None

    def write(self, status: Status) -> None:
        """Store it. A full disk must not stop the schedule: it is logged, and the timer goes on."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_suffix(".tmp")
            temporary.write_text(json.dumps(status.to_json()))
            temporary.replace(self._path)
        except OSError as error:
            _logger.warning("the status of a timer cannot be stored: %s", error)


def status_at_start(stored: Status | None, schedule: Schedule, now: datetime) -> tuple[Status, bool]:
    """What a timer starts from, and whether it is past due.

    A changed schedule is not: what the old one promised no longer counts.
    """
    if stored is None:
        return Status(NEVER, schedule.next(now), now), False
    computed_at = stored.last if stored.last > NEVER else stored.last_updated
    expected = schedule.next(computed_at)
    if stored.next != expected:
        changed_at = now if now > expected else computed_at
        return Status(NEVER, schedule.next(changed_at), changed_at), False
    return stored, now > stored.next


class Timer:
    """One timer function: `start` once, then `step` again and again (`run` does both for ever)."""

    def __init__(self, function: IndexedFunction, schedule: Schedule, file: StatusFile, run: Run, clock: Clock) -> None:
        assert isinstance(function.trigger, TimerTrigger)
        self.function = function
        self.schedule = schedule
        self._run = run
        self._clock = clock
        wants_monitor = function.trigger.use_monitor is not False
        self._file = file if wants_monitor and not is_too_frequent(schedule, clock.now()) else None
        self._run_on_startup = bool(function.trigger.run_on_startup)
        self.status = Status(NEVER, NEVER, NEVER)

    async def run(self) -> None:
        await self.start()
        while True:
            await self.step()

    async def start(self) -> None:
        """Decide whether to run at once: past due, or because the function asks for it; not for both."""
        now = self._clock.now()
        stored = self._file.read() if self._file else None
        self.status, past_due = status_at_start(stored, self.schedule, now)
        if self.status != stored:
            self._store()
        if past_due or self._run_on_startup:
            await self._fire(now, past_due)

    async def step(self) -> None:
        """Wait for the next moment and run."""
        while (seconds := (self.status.next - self._clock.now()).total_seconds()) > 0:
            await self._clock.sleep(min(seconds, LONGEST_WAIT_SECONDS))
        await self._fire(self._clock.now(), past_due=False)

    async def _fire(self, now: datetime, past_due: bool) -> None:
        await self._run(self.request(past_due))
        self.status = Status(now, self.schedule.next(now), now)
        self._store()

    def request(self, past_due: bool = False) -> object:
        """What the handler gets."""
        text = json.dumps(
            {
                "Schedule": {"AdjustForDST": True},
                "ScheduleStatus": self.status.to_json() if self._file else None,
                "IsPastDue": past_due,
            }
        )
        if self.function.signature.plain:
            return text
        return converter(TIMER).decode(Datum(text, "json"), trigger_metadata={})

    def _store(self) -> None:
        if self._file:
            self._file.write(self.status)


def make_timer(function: IndexedFunction, settings: Mapping[str, str], folder: Path, run: Run, clock: Clock) -> Timer:
    """The timer of a timer function, its status kept in `folder`.

    Raises IndexingError, naming the function, for a schedule that is not valid, BadSettings for a setting not set.
    """
    assert isinstance(function.trigger, TimerTrigger)
    text = resolve(function.trigger.schedule, settings, f"function {function.name}: schedule")
    try:
        schedule = parse_schedule(text, zone_from(settings))
    except ValueError as error:
        raise IndexingError(f"function {function.name}: {error}") from error
    return Timer(function, schedule, StatusFile(folder / f"{function.name}.json"), run, clock)
