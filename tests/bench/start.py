"""What starting costs: a bare child, the import of the functions, the hub from nothing to its first answer."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hosting.supervisor import answers
from tests.bench.figures import Figures
from tests.e2e.local_platform import ROOT, free_port

ROUNDS = 9
_LINE = "import time; time.time()"
BARE_CHILD = (os.path.realpath(sys.executable), "-I", "-S", "-c", _LINE)
"""The least that runs a line of Python in a process of its own."""


def measure(folder: Path) -> Figures:
    """Milliseconds."""
    bare = _median((sys.executable, "-c", _LINE))
    return {
        "bare_child_ms": _median(BARE_CHILD),
        "import_ms": _median((sys.executable, "-c", "import function_app")) - bare,
        "hub_start_ms": statistics.median(_hub(folder / f"start-{number}") for number in range(3)),
    }


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
