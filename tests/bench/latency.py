"""The whole platform on real processes: how long a caller waits, and how much goes through."""

from __future__ import annotations

import shutil
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import requests

from hosting.hub_client import address
from tests.e2e.conftest import configure
from tests.e2e.local_platform import Platform

SINGLE = 30
BURST = 300
CALLERS = 8
MODULES = Path(__file__).parent / "modules"


def measure(folder: Path) -> dict[str, float]:
    """Milliseconds from the request to the first line of user code, and to SUCCESS; events a second in a burst."""
    home = folder / "home"
    shutil.copytree(MODULES, home / "modules")
    with Platform(home) as platform:
        configure(platform, "STAMP", "stamp:run")
        client = platform.client
        client.put(address("sources", "stamp"), {"name": "stamp", "kind": "WEBHOOK", "event_types": ["STAMP"]})
        url = client.get(address("sources", "stamp"))["url"]
        _fire(url)
        starts, ends = zip(*[_single(platform, url) for _ in range(SINGLE)], strict=True)
        return {
            "start_ms_p50": statistics.median(starts),
            "completion_ms_p50": statistics.median(ends),
            "burst_events_per_second": _burst(platform, url),
        }


def _fire(url: str) -> str:
    event_id: str = requests.post(url, json={"n": 1}, timeout=30).json()["event_id"]
    return event_id


def _single(platform: Platform, url: str) -> tuple[float, float]:
    sent = time.time()
    event = platform.final(_fire(url))
    return (event["result_data"]["started"] - sent) * 1000, (_seconds(event["finished_at"]) - sent) * 1000


def _burst(platform: Platform, url: str) -> float:
    began = time.time()
    with ThreadPoolExecutor(CALLERS) as callers:
        ids = list(callers.map(lambda _: _fire(url), range(BURST)))
    events: list[dict[str, Any]] = [platform.final(event_id) for event_id in ids]
    assert {event["state"] for event in events} == {"SUCCESS"}
    return BURST / (max(_seconds(event["finished_at"]) for event in events) - began)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
