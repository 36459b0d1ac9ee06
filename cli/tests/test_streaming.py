"""A long log goes through the command and stays nowhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cli_testing.serving import Answer, serving

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
        command = [sys.executable, "-m", "nexo_cli", "logs", EVENT, "--follow"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environ)
        assert process.stdout is not None
        with process.stdout:
            count = sum(1 for _ in process.stdout)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return count, usage.ru_maxrss


def test_a_hundred_thousand_lines_stream_in_the_same_memory(tmp_path: Path) -> None:
    few, peak_of_few = _streamed(PAGE, tmp_path)
    many, peak_of_many = _streamed(100_000, tmp_path)
    assert (few, many) == (PAGE, 100_000)
    assert peak_of_many < peak_of_few + 4 * 1024, "kilobytes: all of it would be twenty thousand more"
