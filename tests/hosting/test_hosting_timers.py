"""Timer triggers, on a clock that the tests move."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import azure.functions as func
import azure.functions.timer
import pytest

from hosting.errors import BadSettings, IndexingError
from hosting.functions_host import FunctionsHost, Options
from hosting.hostjson import HostJson
from hosting.indexing import index
from hosting.schedules import parse_schedule
from hosting.timers import NEVER, Status, StatusFile, Timer, make_timer, status_at_start
from tests.hosting.support import open_app

START = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class FakeClock:
    """Time that passes only when somebody sleeps."""

    def __init__(self, now: datetime = START) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        await asyncio.sleep(0)


class Runs:
    """What a timer's function was given, and what a run does."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.work: Callable[[], Awaitable[None]] | None = None

    async def __call__(self, request: object) -> None:
        self.requests.append(request)
        if self.work:
            await self.work()

    @property
    def past_due(self) -> list[bool]:
        return [each.past_due for each in self.requests]


def timer(folder: Path, clock: FakeClock, runs: Runs, schedule: str = "0 * * * * *", **trigger: Any) -> Timer:
    app = open_app()

    @app.timer_trigger("t", schedule, **trigger)
    async def tick(t: func.TimerRequest) -> None:
        raise NotImplementedError("the runs are counted instead")

    (function,) = index(app)
    return make_timer(function, {"EVERY": "0 * * * * *"}, folder, runs, clock)


async def test_it_runs_at_its_moments_and_tells_the_handler_what_is_known(tmp_path: Path) -> None:
    clock, runs = FakeClock(), Runs()
    ticking = timer(tmp_path, clock, runs)
    await ticking.start()
    assert runs.requests == []
    await ticking.step()
    await ticking.step()
    assert clock.now() == datetime(2026, 1, 1, 0, 2, tzinfo=UTC)
    first, second = runs.requests
    assert type(first) is azure.functions.timer.TimerRequest
    assert first.schedule == {"AdjustForDST": True}
    assert first.schedule_status == {
        "Last": NEVER.isoformat(),
        "Next": "2026-01-01T00:01:00+00:00",
        "LastUpdated": START.isoformat(),
    }
    assert second.schedule_status["Last"] == "2026-01-01T00:01:00+00:00"
    assert runs.past_due == [False, False]


async def test_a_run_that_overlaps_is_followed_by_one_at_once_not_past_due_and_the_rest_are_lost(
    tmp_path: Path,
) -> None:
    clock, runs = FakeClock(), Runs()
    ticking = timer(tmp_path, clock, runs)
    await ticking.start()

    async def takes_long() -> None:
        await clock.sleep(200)

    runs.work = takes_long
    await ticking.step()  # 00:01:00 to 00:04:20: 00:02, 00:03 and 00:04 are due meanwhile
    runs.work = None
    before = clock.now()
    await ticking.step()
    assert clock.now() == before
    await ticking.step()
    assert clock.now() == datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
    assert runs.past_due == [False, False, False]


async def test_past_due_is_decided_at_the_start_alone_and_one_run_makes_up_for_all(tmp_path: Path) -> None:
    clock, runs = FakeClock(), Runs()
    life = timer(tmp_path, clock, runs)
    await life.start()
    await life.step()
    clock.time += 30 * MINUTE
    again = timer(tmp_path, clock, runs)
    await again.start()
    assert runs.past_due == [False, True]
    await again.step()
    assert runs.past_due == [False, True, False]
    assert clock.now() == datetime(2026, 1, 1, 0, 32, tzinfo=UTC)


async def test_a_timer_that_missed_nothing_waits_after_a_restart(tmp_path: Path) -> None:
    clock, runs = FakeClock(), Runs()
    life = timer(tmp_path, clock, runs)
    await life.start()
    await life.step()
    await timer(tmp_path, clock, runs).start()
    assert runs.past_due == [False]


async def test_a_first_start_that_never_got_to_run_is_past_due_too(tmp_path: Path) -> None:
    clock, runs = FakeClock(), Runs()
    await timer(tmp_path, clock, runs).start()
    clock.time += MINUTE
    await timer(tmp_path, clock, runs).start()
    assert runs.past_due == [True]


async def test_a_changed_schedule_is_not_past_due(tmp_path: Path) -> None:
    clock, runs = FakeClock(), Runs()
    await timer(tmp_path, clock, runs).start()
    clock.time += 90 * MINUTE
    changed = timer(tmp_path, clock, runs, "0 0 * * * *")
    await changed.start()
    assert runs.requests == []
    assert changed.status.next == datetime(2026, 1, 1, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize("trigger", [{"schedule": "*/20 * * * * *"}, {"use_monitor": False}])
async def test_an_unmonitored_timer_keeps_no_status_and_is_never_past_due(
    tmp_path: Path, trigger: dict[str, Any]
) -> None:
    clock, runs = FakeClock(), Runs()
    await timer(tmp_path, clock, runs, **trigger).start()
    clock.time += 30 * MINUTE
    later = timer(tmp_path, clock, runs, **trigger)
    await later.start()
    await later.step()
    assert runs.past_due == [False]
    assert runs.requests[0].schedule_status == {}
    assert StatusFile(tmp_path / "tick.json").read() is None


async def test_run_on_startup_runs_once_at_the_start_even_when_past_due(tmp_path: Path) -> None:
    clock, runs = FakeClock(), Runs()
    await timer(tmp_path, clock, runs, run_on_startup=True).start()
    clock.time += 5 * MINUTE
    await timer(tmp_path, clock, runs, run_on_startup=True).start()
    assert runs.past_due == [False, True]


async def test_a_long_wait_follows_a_clock_that_is_set(tmp_path: Path) -> None:
    clock, runs = FakeClock(), Runs()
    daily = timer(tmp_path, clock, runs, "0 0 12 * * *")
    await daily.start()
    waits: list[float] = []
    plain_sleep = clock.sleep

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            clock.time = datetime(2026, 1, 1, 11, 59, 50, tzinfo=UTC)  # somebody sets it
        await plain_sleep(seconds)

    clock.sleep = sleep  # type: ignore[method-assign]
    await daily.step()
    assert max(waits) <= 30
    assert len(waits) == 3


async def test_a_status_that_cannot_be_read_or_written_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, runs = FakeClock(), Runs()
    (tmp_path / "tick.json").write_text('{"Last": "yesterday"')
    ticking = timer(tmp_path, clock, runs)
    await ticking.start()
    assert json.loads((tmp_path / "tick.json").read_text())["Next"] == "2026-01-01T00:01:00+00:00"
    (tmp_path / "tick.json").unlink()
    (tmp_path / "tick.json").mkdir()  # a folder cannot be replaced by a file
    await ticking.step()
    assert runs.past_due == [False]
    assert "cannot be stored" in caplog.text


def test_the_stored_status_comes_back_as_it_was(tmp_path: Path) -> None:
    file = StatusFile(tmp_path / "deep" / "tick.json")
    assert file.read() is None
    status = Status(START, START + MINUTE, START)
    file.write(status)
    assert file.read() == status


def test_a_status_of_the_same_schedule_is_kept() -> None:
    schedule = parse_schedule("0 * * * * *")
    stored = Status(START, schedule.next(START), START)
    assert status_at_start(stored, schedule, START + 3 * MINUTE) == (stored, True)
    assert status_at_start(stored, schedule, START) == (stored, False)


async def test_the_schedule_may_be_a_setting(tmp_path: Path) -> None:
    ticking = timer(tmp_path, FakeClock(), Runs(), "%EVERY%")
    assert ticking.schedule.expression == "0 * * * * *"
    with pytest.raises(BadSettings, match="function tick: schedule: the setting NOTHING is not set"):
        timer(tmp_path, FakeClock(), Runs(), "%NOTHING%")
    with pytest.raises(IndexingError, match="function tick: the second `nonsense`"):
        timer(tmp_path, FakeClock(), Runs(), "nonsense * * * * *")


async def test_a_host_runs_its_timers_and_an_error_does_not_stop_the_schedule(tmp_path: Path) -> None:
    app = open_app()
    ran = asyncio.Queue[bool]()

    @app.timer_trigger("t", "0 * * * * *")
    async def tick(t: func.TimerRequest) -> None:
        ran.put_nowait(t.past_due)
        raise RuntimeError("this time")

    options = Options(home=tmp_path, port=0, clock=FakeClock())
    async with FunctionsHost(index(app), {}, HostJson(), options):
        async with asyncio.timeout(30):
            assert [await ran.get() for _ in range(3)] == [False, False, False]
    assert (tmp_path / "timers" / "tick.json").exists()


async def test_a_disabled_timer_does_not_run(tmp_path: Path) -> None:
    app = open_app()
    ran: list[str] = []

    @app.timer_trigger("t", "0 * * * * *", run_on_startup=True)
    async def off(t: func.TimerRequest) -> None:
        ran.append("off")

    go_on = asyncio.Event()

    @app.timer_trigger("t", "0 * * * * *", run_on_startup=True)
    async def on(t: func.TimerRequest) -> None:
        ran.append("on")
        go_on.set()

    options = Options(home=tmp_path, port=0, clock=FakeClock())
    async with FunctionsHost(index(app), {"AzureWebJobs.off.Disabled": "1"}, HostJson(), options):
        async with asyncio.timeout(30):
            await go_on.wait()
    assert set(ran) == {"on"}


async def test_a_retry_policy_runs_a_failed_timer_again(tmp_path: Path) -> None:
    app = open_app()
    attempts: list[tuple[int, int, str | None]] = []
    done = asyncio.Event()

    @app.timer_trigger("t", "0 0 0 1 1 *", run_on_startup=True)
    @app.retry("fixed_delay", "2", delay_interval="00:00:10")
    async def tick(t: func.TimerRequest, context: func.Context) -> None:
        retry = context.retry_context
        attempts.append((retry.retry_count, retry.max_retry_count, getattr(retry.exception, "message", None)))
        if retry.retry_count == 2:
            done.set()
        raise RuntimeError(f"attempt {retry.retry_count}")

    clock = FakeClock()
    async with FunctionsHost(index(app), {}, HostJson(), Options(home=tmp_path, port=0, clock=clock)):
        async with asyncio.timeout(30):
            await done.wait()
    assert attempts == [(0, 2, None), (1, 2, "attempt 0"), (2, 2, "attempt 1")]


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ({"strategy": "now_and_then", "max_retry_count": "2"}, "neither fixed_delay"),
        ({"strategy": "fixed_delay", "max_retry_count": "2"}, "delay_interval"),
        ({"strategy": "fixed_delay", "max_retry_count": "-2", "delay_interval": "00:00:10"}, "-1"),
        ({"strategy": "exponential_backoff", "max_retry_count": "2", "minimum_interval": "soon"}, "minimum_interval"),
    ],
)
async def test_a_bad_retry_policy_is_found_at_the_start(tmp_path: Path, policy: dict[str, Any], reason: str) -> None:
    app = open_app()

    @app.timer_trigger("t", "0 0 0 1 1 *")
    @app.retry(**policy)
    async def tick(t: func.TimerRequest) -> None:
        raise NotImplementedError

    with pytest.raises(IndexingError, match=f"function tick: retry: .*{reason}"):
        FunctionsHost(index(app), {}, HostJson(), Options(home=tmp_path, port=0))
