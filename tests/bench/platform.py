"""The whole platform on real processes: how long a caller waits, how much goes through, and what it takes."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import requests

from hosting.hub_client import address
from tests.bench.figures import Figures
from tests.e2e.conftest import configure
from tests.e2e.local_platform import Platform

SINGLE = 40
BURST = 1000
CALLERS = 8
SLOTS = 8
QUIET_SECONDS = 0.25
"""A single event is long over by then; asking for it sooner would take its time."""
BURST_SECONDS = 600.0
MODULES = Path(__file__).parent / "modules"
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Spent:
    """Processor seconds of the parts so far."""

    hub: float
    agent: float
    children: float
    storage: float


def measure(folder: Path, storage: str, burst: int = BURST) -> Figures:
    """Latencies one by one, then a burst, with the processor time and memory of each part."""
    home = folder / f"home-{storage}"
    shutil.copytree(MODULES, home / "modules")
    with Platform(home, storage, environ={"NEXOMATIC_AGENT_SLOTS": str(SLOTS)}) as platform:
        stamp = _webhook(platform, "STAMP", "stamp:run")
        figures = _memory(platform, "idle_") | _latencies(platform, stamp) | _burst(platform, stamp, burst)
        return figures | _memory(platform, "") | _child(platform)


def _webhook(platform: Platform, name: str, module: str) -> str:
    """The address of a webhook whose event runs this module."""
    configure(platform, name, module)
    platform.client.put(address("sources", name), {"name": name, "kind": "WEBHOOK", "event_types": [name]})
    url: str = platform.client.get(address("sources", name))["url"]
    return url


def _fire(session: requests.Session, url: str) -> str:
    event_id: str = session.post(url, json={"n": 1}, timeout=60).json()["event_id"]
    return event_id


def _latencies(platform: Platform, url: str) -> dict[str, float]:
    session = requests.Session()
    platform.final(_fire(session, url))
    starts, ends = [], []
    for _ in range(SINGLE):
        sent = time.time()
        event_id = _fire(session, url)
        time.sleep(QUIET_SECONDS)
        event = platform.final(event_id)
        starts.append((event["result_data"]["started"] - sent) * 1000)
        ends.append((_seconds(event["finished_at"]) - sent) * 1000)
    return {
        "start_ms_p50": statistics.median(starts),
        "start_ms_p95": statistics.quantiles(starts, n=20)[-1],
        "completion_ms_p50": statistics.median(ends),
        "completion_ms_p95": statistics.quantiles(ends, n=20)[-1],
    }


def _burst(platform: Platform, url: str, events: int) -> dict[str, float]:
    before, began = _spent(platform), time.time()
    with ThreadPoolExecutor(CALLERS) as callers:
        sessions = [requests.Session() for _ in range(CALLERS)]
        shares = [callers.submit(_many, session, url, events // CALLERS) for session in sessions]
        ids = [event_id for share in shares for event_id in share.result()]
    accepted = time.time()
    _until_settled(platform)
    after = _spent(platform)
    ended = [platform.final(event_id) for event_id in ids]
    _account(ended)
    each = 1000 / len(ids)
    figures = {
        "burst_events": float(len(ids)),
        "burst_events_per_second": len(ids) / (max(_seconds(event["finished_at"]) for event in ended) - began),
        "accepted_per_second": len(ids) / (accepted - began),
        "hub_cpu_ms": (after.hub - before.hub) * each,
        "agent_cpu_ms": (after.agent - before.agent) * each,
        "child_cpu_ms": (after.children - before.children) * each,
    }
    return figures | ({"storage_cpu_ms": (after.storage - before.storage) * each} if after.storage else {})


def _many(session: requests.Session, url: str, events: int) -> list[str]:
    return [_fire(session, url) for _ in range(events)]


def _until_settled(platform: Platform) -> None:
    """Until no event is open; asked rarely, so that the asking costs little."""
    deadline = time.monotonic() + BURST_SECONDS
    while _is_open(platform.client.get("/api/events?state=QUEUED,RUNNING&limit=1")):
        assert time.monotonic() < deadline, "the burst does not end"
        time.sleep(0.5)


def _is_open(page: Mapping[str, Any]) -> bool:
    return bool(page["items"] or page["cursor"])


def _account(events: list[dict[str, Any]]) -> None:
    """All SUCCESS, each run once: a burst that loses or repeats work is not fast."""
    wrong = [event for event in events if event["state"] != "SUCCESS" or len(event["attempts"]) != 1]
    assert not wrong, f"{len(wrong)} events of the burst did not run once to SUCCESS; the first: {wrong[0]}"


def _spent(platform: Platform) -> _Spent:
    pids: Mapping[str, int] = platform.ready["pids"]

    def own(name: str) -> float:
        times = psutil.Process(pids[name]).cpu_times() if name in pids else None
        return times.user + times.system if times else 0.0

    sink = psutil.Process(pids["sink"]).cpu_times()
    return _Spent(own("hub"), own("sink"), sink.children_user + sink.children_system, own("azurite"))


def _memory(platform: Platform, when: str) -> dict[str, float]:
    parts = {"hub": "hub", "agent": "sink"}
    return {f"{part}_{when}mib": _resident(platform.pid(name)) for part, name in parts.items()}


def _resident(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / MIB


def _child(platform: Platform) -> dict[str, float]:
    event = platform.final(_fire(requests.Session(), _webhook(platform, "WEIGH", "stamp:weigh")))
    return {"child_mib": event["result_data"]["kib"] / 1024}


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
