"""The measurements of size, each on real hub processes of its own, each answering figures."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from hosting.azurite import start_azurite
from hub.storage.azure import open_azure
from tests.e2e.local_platform import ROOT
from tests.size.asking import Asked, Asker, compare
from tests.size.callers import Caller, percentiles
from tests.size.draining import Drain, drain
from tests.size.filling import WEBHOOK_KEY, Story, configure, fill, fill_file
from tests.size.hub_process import HubProcess
from tests.size.polling import enrol, fleet

WEBHOOK: Final = f"/hooks/{WEBHOOK_KEY}"
ROOT_KEY: Final = "A" * 43 + "="
FLEET: Final = "IDLE:FLEET"
LATE: Final = "webhook during it, 99th of 100, ms"
"""What `upkeep` calls the longest but the last hundredth of the waits."""
LEAST_WAITS: Final = 400
"""Of so many, the 99th of a hundred is not one chance pause of the machine."""

Figures = dict[str, float]


def fill_in_processes(stories: Mapping[Path, Story]) -> None:
    """Fill files side by side, each in a process of its own."""

    def run(file: Path, story: Story) -> None:
        arguments = ["--events", story.events, "--days", story.span / timedelta(days=1), "--queued", story.queued]
        arguments += ["--newest", story.newest.isoformat(), "--seed", story.seed]
        command = [sys.executable, "-m", "tests.size.filling", str(file), *map(str, arguments)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(run, file, story) for file, story in stories.items()]:
            done.result()


def history(folder: Path, name: str, story: Story, seconds: float) -> tuple[dict[str, Asked], Figures]:
    """A filled hub beside one with a thousand of the same events: every question, the start, the timer's work.

    It asks for about so many seconds.
    """
    few = folder.with_name(f"{folder.name}-few")
    asyncio.run(fill_file(few / "nexomatic.db", story.newest_of_it(1000)))
    size = (folder / "nexomatic.db").stat().st_size
    with HubProcess(few, first=WEBHOOK) as small, HubProcess(folder, first=WEBHOOK) as hub:
        start = hub.first_answer_seconds
        figures = {
            f"{name}: bytes of the file an event": size / story.events,
            f"{name}: start to first webhook, s": start,
            f"{name}: start, ratio to a thousand events": start / small.first_answer_seconds,
        }
        memory = hub.memory_mib()
        small.tick()
        figures[f"{name}: the timer's first step, s"] = hub.tick()
        asked = compare(Asker(hub), Asker(small), story, seconds)
        figures |= upkeep(hub, name, seconds / 4)
        figures[f"{name}: memory at the start, MiB"] = memory
        figures[f"{name}: memory after all, MiB"] = hub.memory_mib()
    return asked, figures


def upkeep(hub: HubProcess, name: str, seconds: float) -> Figures:
    """How long callers wait while the timer's step runs, beside how long they wait otherwise."""
    url = hub.url + WEBHOOK
    before = _waits(url, seconds / 2, LEAST_WAITS // 2)
    longest, ends_at = 0.0, time.monotonic() + seconds
    with Caller(url) as during:
        while during.has_yet(LEAST_WAITS, ends_at):
            longest = max(longest, hub.tick())
    after = _waits(url, seconds / 2, LEAST_WAITS // 2)
    (median, late), (idle, idle_late) = percentiles(during.waits), percentiles([*before, *after])
    return {
        f"{name}: the timer's step, s": longest,
        f"{name}: webhook during it, median ms": median,
        f"{name}: webhook during it, median, ratio to idle": median / idle,
        f"{name}: webhook while idle, 99th of 100, ms": idle_late,
        f"{name}: {LATE}": late,
    }


def _waits(url: str, seconds: float, least: int) -> list[float]:
    """How long one caller waits, for so long and for so many calls."""
    ends_at = time.monotonic() + seconds
    with Caller(url) as caller:
        while caller.has_yet(least, ends_at):
            time.sleep(0.05)
    return caller.waits


def azurite(folder: Path, events: int, seed: int, seconds: float) -> tuple[dict[str, Asked], Figures]:
    """The same questions through the Azure SDKs, to one Azurite for each of the two hubs."""
    story = Story(events, datetime.now(UTC), timedelta(hours=10), queued=events // 20, seed=seed)
    with start_azurite() as of_many, start_azurite() as of_few:
        hubs = []
        for connection, told in ((of_many, story), (of_few, story.newest_of_it(1000))):
            began = time.monotonic()
            asyncio.run(_fill_azurite(connection.connection_string, told))
            filled_in = time.monotonic() - began
            settings = {
                "NEXOMATIC_STORAGE": "azure",
                "AzureWebJobsStorage": connection.connection_string,
                "NEXOMATIC_ROOT_KEY": ROOT_KEY,
            }
            hubs.append((HubProcess(folder / f"azurite-{told.events}", settings, first=WEBHOOK), filled_in))
        (many, filled_in), (few, _) = hubs
        with many, few:
            many.tick()
            few.tick()
            asked = compare(Asker(many), Asker(few), story, seconds)
            figures = {"azurite: events filled a second": events / filled_in}
            figures |= upkeep(many, "azurite", seconds / 4)
    return asked, figures


async def _fill_azurite(connection: str, story: Story) -> None:
    storage = await open_azure(connection)
    await storage.prepare()
    await configure(storage)
    await fill(storage, story)
    await storage.close()


def idle_fleet(home: Path, sinks: int, seconds: float) -> Figures:
    """So many sinks that wait on one process, watched for so long."""
    settings = {"NEXOMATIC_HTTP_CONCURRENCY": str(sinks * 3 // 2)}
    with HubProcess(home, settings) as hub:
        hub.client.put(f"/api/sink-types/{FLEET}", {"name": FLEET})
        return asyncio.run(_idle(hub, sinks, seconds))


async def _idle(hub: HubProcess, sinks: int, watched: float) -> Figures:
    empty = hub.memory_mib()
    members, tenths = await enrol(hub.url, FLEET, sinks)
    enrolled = hub.memory_mib()
    async with fleet(hub.url, members) as waiting:
        await waiting.until_waiting(sinks)
        await asyncio.sleep(5)
        (began, before), cpu = hub.operations(), hub.cpu_seconds()
        await asyncio.sleep(watched)
        (ended, after), used = hub.operations(), hub.cpu_seconds() - cpu
        spent, seconds = after - before, ended - began
        return {
            "idle polls: sinks": sinks,
            "idle polls: enrolled a second": sinks / sum(tenths),
            "idle polls: last tenth enrolled, ratio to the first": tenths[-1] / tenths[0],
            "idle polls: memory without sinks, MiB": empty,
            "idle polls: memory with them enrolled, MiB": enrolled,
            "idle polls: memory while they wait, MiB": hub.memory_mib(),
            "idle polls: percent of one core": used * 100 / watched,
            "idle polls: receives a second": spent["queue.receive"] / seconds,
            "idle polls: presence writes a second": spent["table.replace"] / seconds,
            "idle polls: storage operations a second": spent.total() / seconds,
            "idle polls: still waiting": waiting.waiting,
        }


def backlog(home: Path, events: int, seed: int, seconds: float) -> tuple[Drain, Figures]:
    """Events that wait, and one agent with eight slots."""
    story = Story(events + 1, datetime.now(UTC) - timedelta(seconds=5), timedelta(minutes=50), events, seed=seed)
    asyncio.run(fill_file(home / "nexomatic.db", story))
    with HubProcess(home) as hub:
        drained = drain(hub, home / "agent", seconds)
    first, last = drained.tenths[0], drained.tenths[-1]
    begun, ended = drained.begun, drained.ended
    return drained, {
        "backlog: events": ended.done,
        "backlog: events a second": ended.done / (ended.at - begun.at),
        "backlog: rate of the last tenth, ratio to the first": last.events_per_second / first.events_per_second,
        "backlog: cpu of the last tenth an event, ratio to the first": last.cpu_ms_per_event / first.cpu_ms_per_event,
        "backlog: cpu an event, ms": (ended.cpu - begun.cpu) * 1000 / ended.done,
        "backlog: hub at the beginning, MiB": begun.hub_mib,
        "backlog: hub at the end, MiB": ended.hub_mib,
        "backlog: agent at the beginning, MiB": begun.agent_mib,
        "backlog: agent at the end, MiB": ended.agent_mib,
    }
