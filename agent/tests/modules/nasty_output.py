"""Modules that are a burden on the log. Each is a function; what it must end with is in agent_testing/nasty.py."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from typing import Any

from nexomatic import Context

PIECE = b"0123456789abcdef" * 4096


def write(descriptor: int, data: bytes) -> None:
    """All of it: a pipe takes what it has room for."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def much(payload: Any, params: Any, context: Context) -> int:
    """So many lines of such a width. How many bytes that is."""
    line = b"x" * (int(payload["width"]) - 1) + b"\n"
    lines = int(payload["lines"])
    for _ in range(lines // 100):
        write(1, line * 100)
    write(1, line * (lines % 100))
    return lines * len(line)


def one_line(payload: Any, params: Any, context: Context) -> None:
    """So many bytes without the end of a line."""
    for _ in range(int(payload["bytes"]) // len(PIECE)):
        write(1, PIECE)


def one_line_of_errors(payload: Any, params: Any, context: Context) -> None:
    """The same by Python's own standard error, a little at a time."""
    for _ in range(int(payload["bytes"]) // 1000):
        sys.stderr.write("e" * 1000)


def empty_lines(payload: Any, params: Any, context: Context) -> None:
    """The cheapest way to a million lines."""
    for _ in range(int(payload["lines"]) // 10_000):
        write(1, b"\n" * 10_000)


def binary(payload: Any, params: Any, context: Context) -> None:
    """Every byte there is, again and again, and no end of line behind the last."""
    write(1, bytes(range(256)) * int(payload["times"]))


def terminal(payload: Any, params: Any, context: Context) -> None:
    """Colours, zero bytes, a letter of another encoding, lines that end as on Windows or not at all."""
    write(1, b"\x1b[31mred\x1b[0m\r\n\x00nul\x00\ncaf\xe9\n10%\r20%\rdone\nno end")


def marks(payload: Any, params: Any, context: Context) -> None:
    """What the child writes before a line of an error, where it means nothing, thousands of times in a line."""
    for _ in range(20):
        write(1, b"\x1e" * 60_000 + b"\n")


def closed_output(payload: Any, params: Any, context: Context) -> str:
    """Standard output goes; the work goes on, and something is said on standard error."""
    print("before")
    os.close(1)
    write(2, b"after\n")
    return "went on"


def closed_objects(payload: Any, params: Any, context: Context) -> None:
    """Python's own standard output goes, and then there is something to say."""
    print("before")
    sys.stdout.close()
    raise ValueError("said after the end")


def swallowed_errors(payload: Any, params: Any, context: Context) -> None:
    """Python's own standard error is replaced by something that keeps it all to itself."""
    sys.stderr = io.StringIO()
    raise ValueError("said to nobody")


def closed_everything(payload: Any, params: Any, context: Context) -> str:
    """All that was open goes, the result's way to the agent included, if it were open."""
    print("before")
    os.closerange(0, 4096)
    return "went on"


def nothing_left_of_python(payload: Any, params: Any, context: Context) -> str:
    """The names that the child works with are taken away."""
    import builtins

    print("before")
    builtins.open = builtins.print = None  # type: ignore[assignment]
    sys.stdout = sys.stderr = None
    sys.modules.clear()
    return "went on"


def eats_its_input(payload: Any, params: Any, context: Context) -> list[int]:
    """Standard input is read by whoever comes first, and there is none left."""
    read = [len(os.read(0, 100)), len(sys.stdin.read()) > 0, len(sys.stdin.read())]
    os.close(0)
    return read


def child_prints_on(payload: Any, params: Any, context: Context) -> str:
    """A child is in the middle of a sentence when its parent ends."""
    child = subprocess.Popen([sys.executable, "-c", "while True: print('still talking', flush=True)"])
    print("child", child.pid)
    return "ended"


def silent_exit(payload: Any, params: Any, context: Context) -> None:
    """The process is gone in the middle of everything, with its buffers."""
    print("before")
    print("half a line", end="")
    os._exit(payload["code"])
