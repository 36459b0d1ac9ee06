"""A real hub on a real disk of 48 MiB: nearly full it takes nothing new and ends what runs; full, it loses nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from agent_testing.small_disk import on_small_disk

from hosting.hub_client import address
from tests.size.hub_process import TOKEN, HubProcess

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]

MIB = 1 << 20
DISK, LEAST = 48 * MIB, 24 * MIB
SECONDS = 60.0


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    """With its data, and nothing else, on a small disk that nobody else sees and that goes with it."""
    data = tmp_path / "data"
    data.mkdir()
    under = on_small_disk(data, str(DISK))
    environ = {"NEXOMATIC_HOME": str(data), "NEXOMATIC_MIN_FREE_BYTES": str(LEAST)}
    with HubProcess(tmp_path / "hub", environ, program="tests.size.counted_host", under=under) as running:
        yield running


class Disk:
    """The disk as the hub sees it."""

    def __init__(self, hub: HubProcess) -> None:
        self.folder = Path(f"/proc/{hub.process.pid}/root{hub.environ['NEXOMATIC_HOME']}")
        self.filler = self.folder / "filler"

    def free(self) -> int:
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def leave(self, free: int) -> None:
        with self.filler.open("ab") as file:
            file.write(bytes(max(0, self.free() - free)))

    def fill(self) -> None:
        with self.filler.open("ab", buffering=0) as file:
            try:
                while file.write(bytes(64 * 1024)):
                    pass
            except OSError:
                return

    def clear(self) -> None:
        self.filler.unlink()


class Sink:
    """Says what an agent says, and nothing by itself."""

    def __init__(self, hub: HubProcess) -> None:
        self.hub = hub
        token = hub.client.post("/api/enrolments", {"sink_type": "PYTHON:BASE"})["token"]
        enrolled = self.post("/agent/enroll", {"token": token, "name": "box", "version": "1"}, "none")
        self.credential = enrolled.json()["credential"]

    def post(self, path: str, body: dict[str, Any], credential: str | None = None) -> requests.Response:
        headers = {"authorization": f"Bearer {credential or self.credential}"}
        return requests.post(self.hub.url + path, json=body, headers=headers, timeout=SECONDS)

    def poll(self) -> dict[str, Any]:
        """The task that is given."""
        found: list[dict[str, Any]] = []

        def given() -> bool:
            answer = self.post("/agent/poll", {"slots": 1, "running": [], "version": "1", "instance": "instance-1"})
            assert answer.status_code in (200, 204), answer.text
            found.extend(answer.json()["tasks"] if answer.status_code == 200 else [])
            return bool(found)

        until(given)
        return found[0]

    def say(self, what: str, task: dict[str, Any], **body: Any) -> requests.Response:
        return self.post(f"/agent/events/{task['event_id']}/{what}", {"token": task["token"], **body})


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def fire(hub: HubProcess, name: str = "A") -> requests.Response:
    headers = {"authorization": f"Bearer {TOKEN}"}
    body = {"event_type": name, "payload": {"text": "x" * 20_000}}
    return requests.post(f"{hub.url}/api/events", json=body, headers=headers, timeout=SECONDS)


def configured(hub: HubProcess) -> str:
    """The address of a webhook."""
    client = hub.client
    for name in ("PYTHON:BASE", "PYTHON:NOBODY"):
        client.put(address("sink-types", name), {"name": name})
    for name, follows in (("NEXT", None), ("A", "NEXT")):
        action = {"name": name, "runtime": "python", "module": "m:f", "on_success": follows}
        client.put(address("actions", name), action)
        client.put(address("event-types", name), {"name": name, "sink_type": "PYTHON:BASE", "action": name})
    client.put(address("event-types", "ASIDE"), {"name": "ASIDE", "sink_type": "PYTHON:NOBODY", "action": "NEXT"})
    client.put(address("sources", "hook"), {"name": "hook", "kind": "WEBHOOK", "event_types": ["NEXT"]})
    return str(client.get(address("sources", "hook"))["url"])


def test_nearly_full_and_full(hub: HubProcess) -> None:
    hook, disk, sink = configured(hub), Disk(hub), Sink(hub)
    first = fire(hub)
    assert first.status_code == 201, first.text
    task = sink.poll()
    disk.leave(LEAST - 4 * MIB)

    # Nearly full: nothing new, with words,
    until(lambda: fire(hub, "ASIDE").status_code == 507)
    refused = requests.post(hook, json={}, timeout=SECONDS)
    assert refused.status_code == 507
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["retry-after"] == "30"
    assert refused.json()["type"] == "urn:nexomatic:problem:no-room"
    until(lambda: [each["code"] for each in hub.client.get("/api/health")["reasons"]] == ["DISK"])
    # and what runs goes on to its end, and to what follows.
    renewed = sink.say("renew", task)
    assert renewed.status_code == 200, renewed.text
    task["token"] = renewed.json()["token"]
    line = {"time": "2026-03-01T12:00:00.000Z", "stream": "stdout", "level": "INFO", "text": "hello"}
    logged = sink.say("logs", task, chunk={"first": 1, "lines": [line]})
    assert logged.status_code == 200, logged.text
    task["token"] = logged.json()["token"]
    ended = sink.say("result", task, state="SUCCESS", data={"text": "y" * 200_000})
    assert ended.status_code == 200, ended.text
    event = hub.client.get(f"/api/events/{first.json()['id']}")
    assert (event["state"], len(event["result_data"]["text"])) == ("SUCCESS", 200_000)
    following = sink.poll()
    assert following["event_id"] == event["follow_on"]

    # Full to the last byte: it says so, and what it has acknowledged is there.
    disk.fill()
    big = {"state": "SUCCESS", "data": {"text": "z" * 3_000_000}}
    unheard = sink.say("result", following, **big)
    assert (unheard.status_code, "retry-after" in unheard.headers) == (503, True), unheard.text
    assert fire(hub).status_code == 507
    assert hub.client.get(f"/api/events/{event['id']}")["state"] == "SUCCESS"

    # Room again: the result is taken, and new events.
    disk.clear()
    until(lambda: sink.say("result", following, **big).status_code == 200)
    assert hub.client.get(f"/api/events/{following['event_id']}")["state"] == "SUCCESS"
    until(lambda: requests.post(hook, json={}, timeout=SECONDS).status_code == 202)
    assert fire(hub).status_code == 201
    until(lambda: hub.client.get("/api/health")["status"] == "up")
