"""What a process holds: to see whether something is left behind."""

# ruff: noqa: PTH115, PTH208 - /proc is looked at again and again: strings, not paths

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

MOST_MEGABYTES = 60
"""What an agent may hold at a time, whatever its tasks do."""
THREADS_AT_REST = 3
"""Of an agent: its first, the one that polls, and the timer's. A thread for calls ends ten seconds after its last."""
CALLS_AT_ONCE = 16
"""So many connections to the hub an agent may keep open, beside that of its poll."""
HEAP_BYTES = 64 << 20
"""glibc lays out a heap of its own for threads within so many bytes, and at a multiple of them (HEAP_MAX_SIZE)."""


@dataclass(frozen=True)
class Footprint:
    """Of one process at one moment. Sockets are kept apart: connections to the hub are kept open for the next call."""

    threads: int
    files: int
    sockets: int

    def more_than_at_rest(self, before: Footprint) -> bool:
        """Whether an agent that held `before` when it started, and is at rest again, has left something behind."""
        return (
            self.threads > THREADS_AT_REST or self.files > before.files or self.sockets > before.sockets + CALLS_AT_ONCE
        )

    @classmethod
    def of(cls, pid: int) -> Footprint:
        files = sockets = 0
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
            except FileNotFoundError:
                continue  # closed meanwhile
            if target.startswith("socket:"):
                sockets += 1
            else:
                files += 1
        return cls(len(os.listdir(f"/proc/{pid}/task")), files, sockets)


def megabytes(pid: int) -> float:
    """The memory it holds."""
    return _status(pid, "VmRSS")


def peak_megabytes(pid: int) -> float:
    """The most memory it ever held at a time."""
    return _status(pid, "VmHWM")


def _status(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def descendants(pid: int) -> list[str]:
    """Everything it has started that is still there, the dead that nobody has reaped included, each in words."""
    found: list[str] = []
    waiting = _children(pid)
    while waiting:
        child = waiting.pop()
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{child}/stat").read_bytes().decode("utf-8", "replace")
            found.append(words[: words.rindex(")") + 3])
        waiting += _children(child)
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text("ascii").split())
    return found


def heaps_of_threads(pid: int) -> int:
    """How many heaps the C library has made for threads beside the first."""
    used: list[tuple[int, int]] = []
    reserved: dict[int, int] = {}
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        span, rights, *rest = line.split(maxsplit=5)
        begin, end = (int(address, 16) for address in span.split("-"))
        if len(rest) < 4 and rights == "rw-p" and begin % HEAP_BYTES == 0:
            used.append((begin, end))
        elif rights == "---p":
            reserved[begin] = end
    # With the rest of what is reserved for it: the kernel may place anything at such an address, if seldom.
    return sum(begin + HEAP_BYTES in (end, reserved.get(end)) for begin, end in used)
