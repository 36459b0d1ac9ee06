"""A long log goes through the command and stays nowhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cli_testing.serving import Answer, serving

NEXO_THAT_TELLS_ITS_PEAK = """
import atexit, runpy, sys
from pathlib import Path

def tell():
    lines = Path("/proc/self/status").read_text().splitlines()
    sys.stderr.write(next(line.split()[1] for line in lines if line.startswith("VmHWM:")))

atexit.register(tell)
runpy.run_module("nexo_cli", run_name="__main__", alter_sys=True)
"""
"""What the system says of a child that has ended (`ru_maxrss`) begins with its parent's own peak."""
CLI = Path(__file__).resolve().parents[1]
PAGE = 2000
EVENT = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def _log_of(total: int, path: str) -> Answer:
    after = int(parse_qs(urlsplit(path).query)["after"][0])
    numbers = range(after + 1, min(after + PAGE, total) + 1)
    lines = [
        {
            "seq": each,
            "time": "2026-11-26T00:00:00.000Z",
            "stream": "stdout",
            "level": "INFO",
            "text": f"{each} {'x' * 80}",
        }
        for each in numbers
    ]
    return 200, json.dumps({"lines": lines, "complete": not lines}).encode(), {}


def _streamed(total: int, folder: Path) -> tuple[int, int]:
    """How many lines it printed, and the most memory that it had, in kilobytes."""
    with serving(lambda path: _log_of(total, path)) as (url, _):
        environ = {**os.environ, "PYTHONPATH": str(CLI), "NEXO_HOME": str(folder), "NEXO_HUB": url, "NEXO_TOKEN": "t"}
        command = [sys.executable, "-c", NEXO_THAT_TELLS_ITS_PEAK, "logs", EVENT, "--follow"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            count = sum(1 for _ in process.stdout)
            peak = process.stderr.read()
        assert process.returncode == 0, peak
        return count, int(peak)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_a_hundred_thousand_lines_stream_in_the_same_memory(tmp_path: Path) -> None:
    few, peak_of_few = _streamed(PAGE, tmp_path)
    many, peak_of_many = _streamed(100_000, tmp_path)
    assert (few, many) == (PAGE, 100_000)
    assert peak_of_many < peak_of_few + 4 * 1024, "kilobytes: all of it would be twenty thousand more"
