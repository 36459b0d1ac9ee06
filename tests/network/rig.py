"""A real hub, agents that reach it through a bad network, and what must be true of their work afterwards."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent_testing.process import AgentProcess

from hosting.hub_client import HubClient, address
from tests.e2e.local_platform import free_port
from tests.network.bad_network import BadNetwork, LaneHandle

ROOT = Path(__file__).resolve().parents[2]
MODULES = Path(__file__).parent / "modules"
ADMIN = "nxt_an-admin-of-the-tests-with-a-long-token"
LEASE_SECONDS = 10
POLL_SECONDS = 2
DEADLINE_SECONDS = 90.0
"""For hanging only."""
LOOK_SECONDS = 0.2
SECRET = "a-secret"
MOST_LOST = 50
"""Attempts of one event: a network this bad must not end it."""


@dataclass
class HubProcess:
    """The hub alone, on the embedded engine, as a service manager would start it."""

    home: Path
    port: int = field(default_factory=free_port)
    settings: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None
    _clients: threading.local = field(default_factory=threading.local)

    @property
    def client(self) -> HubClient:
        """An admin's. One for each thread that asks."""
        made: HubClient | None = getattr(self._clients, "client", None)
        if made is None:
            made = self._clients.client = HubClient(f"http://127.0.0.1:{self.port}", ADMIN)
        return made

    def start(self, clock_off_seconds: float = 0.0) -> None:
        """Start, and return when it answers; its clock so far off."""
        self.home.mkdir(exist_ok=True)
        environ = {
            **os.environ,
            "NEXOMATIC_HOME": str(self.home),
            "NEXOMATIC_LEASE_SECONDS": str(LEASE_SECONDS),
            "NEXOMATIC_POLL_SECONDS": str(POLL_SECONDS),
            "NEXOMATIC_FIRST_ADMIN_TOKEN_SHA256": hashlib.sha256(ADMIN.encode()).hexdigest(),
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "CLOCK_OFF_SECONDS": str(clock_off_seconds),
            **self.settings,
        }
        module = "tests.network.shifted_hub" if clock_off_seconds else "hosting.host"
        command = [sys.executable, "-m", module, "--app", str(ROOT), "--home", str(self.home / "host")]
        with (self.home / "hub.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--port", str(self.port), "--grace", "1"], cwd=ROOT, env=environ, stdout=log, stderr=log
            )
        until(lambda: self.client.get("/api/health") is not None, "the hub's first answer")

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(DEADLINE_SECONDS)
            self._process = None

    def log(self) -> str:
        return (self.home / "hub.log").read_text(errors="replace")


class Rig:
    """The hub, the network before it, and agents. Use it in a `with` block."""

    def __init__(self, folder: Path, seed: int = 1, **settings: str) -> None:
        self.folder = folder
        self.marks = folder / "marks"
        self.marks.mkdir()
        self.hub = HubProcess(folder / "home", settings=settings)
        self.network = BadNetwork(self.hub.port, seed)
        self.agents: dict[str, Agent] = {}

    def __enter__(self) -> Self:
        self.hub.start()
        self.hub.client.put(address("secrets", SECRET), {"value": "a value that nobody may see"})
        self.network.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for agent in self.agents.values():
            agent.process.__exit__(kind, error, None)
        self.network.__exit__(None, None, None)
        self.hub.stop(signal.SIGKILL)
        if error is not None:
            sys.stderr.write(self.hub.log()[-4000:])

    def agent(self, name: str, *options: str, sink_type: str | None = None, secret: bool = False) -> Agent:
        """An agent with a lane of its own; with a SinkType and an event type of its own, unless it joins another's.

        `secret`: its tasks need one.
        """
        client, pool = self.hub.client, sink_type or name
        if sink_type is None:
            action = {
                "name": name, "runtime": "python", "module": "work:run", "timeout_seconds": 120,
                "parameters": [{"name": "key", "type": "SECRET", "value": SECRET}] if secret else [],
            }  # fmt: skip
            event_type = {"name": name, "sink_type": name, "action": name, "retry": {"max_lost": MOST_LOST}}
            client.put(address("sink-types", name), {"name": name})
            client.put(address("actions", name), action)
            client.put(address("event-types", name), event_type)
        token = client.post("/api/enrolments", {"sink_type": pool})["token"]
        self.agents[name] = Agent(self, name, pool, self.network.lane(name), token, options)
        return self.agents[name]

    def event(self, event_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.hub.client.get(f"/api/events/{event_id}")
        return found


class Agent:
    """One agent, its lane and its work."""

    def __init__(self, rig: Rig, name: str, pool: str, lane: LaneHandle, token: str, options: tuple[str, ...]) -> None:
        self._rig = rig
        self.name = name
        self._pool = pool
        self.lane = lane
        folder = rig.folder / name
        folder.mkdir()
        given = ("--name", name, "--grace-seconds", "0.3", *options)
        self.process = AgentProcess(lane.address, folder, MODULES, *given, token=token)
        self.events: list[str] = []

    def start(self) -> Self:
        self.process.start()
        until(lambda: "serves this agent" in self.process.log(), f"{self.name} to be served")
        return self

    def fire(self, **payload: Any) -> str:
        """An event for this agent, or another of its SinkType; its id."""
        said = {"event_type": self._pool, "payload": {"folder": str(self._rig.marks), **payload}}
        event_id: str = self._rig.hub.client.post("/api/events", said)["id"]
        self.events.append(event_id)
        return event_id

    def until_started(self, event_id: str, attempt: int = 1) -> None:
        until(lambda: self.runs(event_id, attempt) > 0, f"the start of {event_id}")

    def runs(self, event_id: str, attempt: int, mark: str = "started") -> int:
        """How often this attempt began (or was done)."""
        path = self._rig.marks / f"{event_id}.{attempt}.{mark}"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def final(self, event_id: str) -> dict[str, Any]:
        """The event, once it is final. While nothing of it has ended on disk, the hub is not asked often."""
        found: dict[str, Any] = {}
        asked_at = 0.0

        def ended() -> bool:
            nonlocal asked_at
            if not any(self._rig.marks.glob(f"{event_id}.*.done")) and time.monotonic() < asked_at + 3:
                return False
            asked_at = time.monotonic()
            found.update(self._rig.event(event_id))
            return found["finished_at"] is not None

        until(ended, f"the end of {event_id}")
        return found

    def lines(self, event_id: str) -> list[dict[str, Any]]:
        """The whole log of an event."""
        found: list[dict[str, Any]] = []
        while True:
            after = found[-1]["seq"] if found else 0
            page = self._rig.hub.client.get(f"/api/events/{event_id}/logs?after={after}")
            found += page["lines"]
            if page["complete"]:
                return found

    def lost(self) -> set[str]:
        """The attempts whose results the hub did not take, as the agent kept them."""
        return {path.stem for path in (self.process.state / "lost").glob("*.json")}

    def said(self, words: str) -> int:
        """How many lines of its log hold these words."""
        return sum(words in line for line in self.process.log().splitlines())

    def problems(self) -> list[str]:
        """What is not as promised, once all its events are final; nothing, if all is well."""
        found: list[str] = []
        for event_id in self.events:
            for attempt in self.final(event_id)["attempts"]:
                found += self._problems_of(event_id, attempt)
        until(lambda: not self.held(), f"{self.name} to hold nothing")
        return found

    def _problems_of(self, event_id: str, attempt: Mapping[str, Any]) -> Iterator[str]:
        number, outcome, sink = attempt["number"], attempt["outcome"], attempt["sink"]
        ran, done = (self.runs(event_id, number, mark) for mark in ("started", "done"))
        if ran > 1:
            yield f"{event_id}: attempt {number} ran {ran} times"
        if outcome == "SUCCESS" and not done:
            yield f"{event_id}: attempt {number} is said to have succeeded, but never ended"
        if outcome != "SUCCESS" and done and f"{event_id}-{number}" not in self._rig.agents[sink].lost():
            yield f"{event_id}: the result of attempt {number} on {sink} is lost without a trace ({outcome})"

    def held(self) -> list[str]:
        """What of tasks is on its disk."""
        with suppress(FileNotFoundError):
            folders = ("journal", "spool", "work")
            return [path.name for name in folders for path in (self.process.state / name).iterdir()]
        return []


def until(condition: Callable[[], bool], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Until it is so; fails after a deadline."""
    deadline = time.monotonic() + seconds
    while not _quietly(condition):
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain for {what}"
        time.sleep(LOOK_SECONDS)


def _quietly(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except OSError:
        return False
