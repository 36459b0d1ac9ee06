"""What threads do to the memory of a process, with the agent's one heap and without."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import nexomatic_agent
import pytest
from agent_testing.footprint import heaps_of_threads

THREADS = """
import sys, threading
from nexomatic_agent.memory import share_one_heap
if sys.argv[1] == "one":
    print(share_one_heap())
meet, told = threading.Barrier(9), threading.Event()
def hold():
    kept = bytes(100_000)
    meet.wait()
    told.wait()
for _ in range(8):
    threading.Thread(target=hold, daemon=True).start()
meet.wait()
print("held", flush=True)
sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")


def heaps_of_eight_threads(how: str) -> int:
    command = [sys.executable, "-c", THREADS, how]
    pipe, folder = subprocess.PIPE, Path(nexomatic_agent.__file__).parents[1]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=folder) as process:
        assert process.stdout is not None
        lines = iter(process.stdout)
        assert how == "many" or next(lines) == "True\n"
        assert next(lines) == "held\n"
        return heaps_of_threads(process.pid)


def test_all_threads_share_one_heap() -> None:
    assert heaps_of_eight_threads("many") > 2
    assert heaps_of_eight_threads("one") == 0
