"""A backlog, and one real agent that works it off: how fast each tenth of it goes, and what that takes."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import psutil

from hosting.leash import leash
from tests.e2e.local_platform import ROOT
from tests.size.asking import Asker
from tests.size.history import SINK_TYPE
from tests.size.hub_process import HubProcess

SINK: Final = "drain"
SLOTS: Final = 8
MODULE: Final = "def f(payload, params, context):\n    print('ran', payload.get('host'))\n    return {'ran': True}\n"
END_SECONDS: Final = 30.0


@dataclass
class AgentProcess:
    """One sink of the hub, with eight slots and the module that the events of a story run."""

    home: Path
    hub: HubProcess
    _process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        modules = self.home / "modules"
        modules.mkdir(parents=True)
        (modules / "m.py").write_text(MODULE)
        token = self.hub.client.post("/api/enrolments", {"sink_type": SINK_TYPE})["token"]
        agent = [sys.executable, "-m", "nexomatic_agent"]
        environ = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "agent"),
            "NEXOMATIC_AGENT_HUB": self.hub.url,
            "NEXOMATIC_AGENT_NAME": SINK,
            "NEXOMATIC_AGENT_SLOTS": str(SLOTS),
            "NEXOMATIC_AGENT_STATE": str(self.home / "state"),
            "NEXOMATIC_AGENT_MODULES": str(modules),
        }
        subprocess.run([*agent, "enroll"], env={**environ, "NEXOMATIC_AGENT_TOKEN": token}, check=True)
        with (self.home / "agent.log").open("ab") as log:
            self._process = subprocess.Popen(
                leash([*agent, "run"]), env=environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def process(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def memory_mib(self) -> float:
        """Resident size of the agent itself, without its tasks."""
        return float(self.process.memory_info().rss) / 2**20

    def cpu_seconds(self) -> float:
        """Processor time so far, its ended tasks' too."""
        times = self.process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)


@dataclass(frozen=True, slots=True)
class Sample:
    """How things stood at one moment."""

    done: int
    """Events that are through: their messages have been deleted."""
    at: float
    cpu: float
    """Seconds of processor time so far: of the hub, the agent, and the tasks that have ended."""
    hub_mib: float
    agent_mib: float


@dataclass(frozen=True, slots=True)
class Tenth:
    """One tenth of the backlog."""

    events_per_second: float
    cpu_ms_per_event: float
    """Which says more than the rate where others use the machine too."""


@dataclass(frozen=True, slots=True)
class Drain:
    """What came of it."""

    tenths: Sequence[Tenth]
    begun: Sample
    ended: Sample


def drain(hub: HubProcess, home: Path, seconds: float) -> Drain:
    """Work off all that waits, follow-ons too. Raises AssertionError if that takes longer than `seconds`."""
    asker, deadline = Asker(hub), time.monotonic() + seconds
    samples: list[Sample] = []
    with AgentProcess(home, hub) as agent:
        while not samples or samples[-1].done == 0 or _is_something_left(asker, samples):
            assert time.monotonic() < deadline, "the backlog is not worked off in time"
            time.sleep(0.5)
            samples.append(_sample(hub, agent))
    begun, ended = next(each for each in samples if each.done), samples[-1]
    cuts = [next(each for each in samples if each.done >= ended.done * part / 10) for part in range(11)]
    cuts[0] = begun
    return Drain([_tenth(*pair) for pair in itertools.pairwise(cuts)], begun, ended)


def _is_something_left(asker: Asker, samples: Sequence[Sample]) -> bool:
    """Asked only once nothing moves any more: the question itself takes of what is measured."""
    if samples[-1].done != samples[-5 if len(samples) > 5 else 0].done:
        return True
    return bool(asker.ask("/api/events?state=QUEUED,RUNNING&limit=1")["items"])


def _sample(hub: HubProcess, agent: AgentProcess) -> Sample:
    at, operations = hub.operations()
    cpu = hub.cpu_seconds() + agent.cpu_seconds()
    return Sample(operations["queue.delete"], at, cpu, hub.memory_mib(), agent.memory_mib())


def _tenth(begin: Sample, end: Sample) -> Tenth:
    events = end.done - begin.done
    return Tenth(events / (end.at - begin.at), (end.cpu - begin.cpu) * 1000 / events)
