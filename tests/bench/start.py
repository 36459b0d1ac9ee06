"""What starting costs: a bare child, the import of the functions, the hub from nothing to its first answer.

The hub's import and memory stand beside those of a bare interpreter with `azure.functions`, which any app has.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from hosting.supervisor import answers
from tests.bench.figures import Figures
from tests.e2e.local_platform import ROOT, free_port

ROUNDS = 9
_LINE = "import time; time.time()"
BARE_CHILD = (os.path.realpath(sys.executable), "-I", "-S", "-c", _LINE)
"""The least that runs a line of Python in a process of its own."""


_THEN_WAIT = "\nimport sys; print(flush=True); sys.stdin.read()"
_BARE_APP = "import azure.functions, azure.functions.http"
_ANSWERING = """
import asyncio
from azure.functions.http import HttpRequest
import function_app
from functions.agents import agent_poll
from functions.webhook import webhook

async def ask(function, **route):
    about = {"headers": {}, "params": {}, "route_params": route}
    return await function(HttpRequest("POST", "http://hub/", **about, body_type="bytes", body=b"{}"))

async def main():
    assert ((await ask(webhook, key="none")).status_code, (await ask(agent_poll)).status_code) == (404, 401)

asyncio.run(main())
"""


@dataclass(frozen=True, slots=True)
class _Taken:
    """What a process took until it was ready."""

    cpu_ms: float
    resident_mib: float


def measure(folder: Path) -> Figures:
    """Milliseconds, MiB, and ratios."""
    bare = _median((sys.executable, "-c", _LINE))
    # With byte code, as after the first start of a machine: whoever measures may have forbidden Python to keep it.
    with tempfile.TemporaryDirectory() as kept:
        app, hub = _taken(_BARE_APP, folder, kept), _taken(_ANSWERING, folder, kept)
    return {
        "bare_child_ms": _median(BARE_CHILD),
        "import_ms": _median((sys.executable, "-c", "import function_app")) - bare,
        "hub_start_ms": statistics.median(_hub(folder / f"start-{number}") for number in range(3)),
        "answering_cpu_ms": hub.cpu_ms,
        "answering_cpu_ratio": hub.cpu_ms / app.cpu_ms,
        "answering_mib": hub.resident_mib,
        "answering_memory_ratio": hub.resident_mib / app.resident_mib,
    }


def _taken(program: str, folder: Path, kept: str) -> _Taken:
    """The median over processes that run it; the first, which writes the byte code, is not counted."""
    runs = [_one(program, folder / f"taken-{number}", kept) for number in range(ROUNDS + 1)][1:]
    return _Taken(
        statistics.median(each.cpu_ms for each in runs), statistics.median(each.resident_mib for each in runs)
    )


def _one(program: str, home: Path, kept: str) -> _Taken:
    environ = {**os.environ, "NEXOMATIC_HOME": str(home), "NEXOMATIC_STORAGE": "embedded", "PYTHONPYCACHEPREFIX": kept}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", program + _THEN_WAIT]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline(), "it did not come to its end"
        seen = psutil.Process(process.pid)
        times, resident = seen.cpu_times(), seen.memory_info().rss
        process.kill()
    shutil.rmtree(home, ignore_errors=True)
    return _Taken((times.user + times.system) * 1000, resident / 2**20)


def _median(command: Sequence[str]) -> float:
    return statistics.median(_run(command) for _ in range(ROUNDS))


def _run(command: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True)
    return (time.perf_counter() - began) * 1000


def _hub(home: Path) -> float:
    """An empty hub on the embedded engine, asked for its health until it answers."""
    port = free_port()
    command = [sys.executable, "-m", "hosting.host", "--app", str(ROOT), "--home", str(home / "host")]
    environ = {**os.environ, "NEXOMATIC_HOME": str(home), "FUNCTIONS_WORKER_RUNTIME": "python"}
    home.mkdir()
    began = time.perf_counter()
    with (home / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--port", str(port)], cwd=ROOT, env=environ, stdout=log, stderr=log)
    try:
        while not answers(f"http://127.0.0.1:{port}/api/health"):
            if time.perf_counter() - began > 60 or process.poll() is not None:
                raise AssertionError((home / "log").read_text())
            time.sleep(0.005)
        return (time.perf_counter() - began) * 1000
    finally:
        process.terminate()
        process.wait()
