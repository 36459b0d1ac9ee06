"""Finding and killing processes through /proc. Elsewhere than on Linux nothing is found, and nothing is killed.

A process is always named by its number and the moment of its birth, and killed through a handle that was checked
against both: a number alone may be another process's by the time the signal is sent.
"""

# ruff: noqa: PTH115, PTH123, PTH208 - a search looks at every process of the machine: strings, not paths

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Optional

MARK_VARIABLE = "NEXOMATIC_TASK_MARK"
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_BARE_LOOKS, _BARE_SECONDS = 10, 0.005
"""How often, and how far apart, a process that shows no environment is looked at again."""


@dataclass(frozen=True)
class Process:
    """One process that lives, or lived a moment ago."""

    pid: int
    born: int
    """Clock ticks since the machine's start."""
    parent: int
    session: int
    zombie: bool


class _Children:
    """The agent's own children: the tasks' first processes, and nothing else it would know of."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.starting: list[int] = []
        """When each start that is under way began, in clock ticks since the machine's start."""
        self.tasks: set[int] = set()
        """The numbers of the tasks' first processes, until they are reaped."""
        self.running: dict[int, int] = {}
        """When each of them that has not ended was born."""
        self.adopts = False


_own = _Children()


def adopt_orphans() -> bool:
    """Make this process the one that what its tasks leave behind is handed to. Whether it is."""
    if sys.platform.startswith("linux") and Path(f"/proc/self/task/{os.getpid()}/children").exists():
        libc = ctypes.CDLL(None, use_errno=True)
        _own.adopts = libc.prctl(_SUBREAPER, 1, 0, 0, 0) == 0
    return _own.adopts


@contextlib.contextmanager
def starting_child() -> Iterator[None]:
    """Around the start of a task's process, whose number is not known yet."""
    began = _ticks_now()
    with _own.lock:
        _own.starting.append(began)
    try:
        yield
    finally:
        with _own.lock:
            _own.starting.remove(began)


def child_started(pid: int) -> None:
    process = look_up(pid)
    with _own.lock:
        _own.tasks.add(pid)
        _own.running[pid] = process.born if process is not None else 0


def child_ended(pid: int) -> None:
    """To be called before the look at what it left: of two that end at once, the later then sees what is of either."""
    with _own.lock:
        _own.running.pop(pid, None)


def child_reaped(pid: int) -> None:
    with _own.lock:
        _own.tasks.discard(pid)


def _ticks_now() -> int:
    clock: Optional[int] = getattr(time, "CLOCK_BOOTTIME", None)  # the clock of births; only Linux has it
    return int(time.clock_gettime(clock) * os.sysconf("SC_CLK_TCK")) if clock is not None else 0


# --- finding


def look_up(pid: int) -> Optional[Process]:
    """The process of this number, if there is one."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The name, in parentheses, may hold anything: the fields are counted from its end (state, parent, group, session).
    fields = text[text.rindex(b")") + 2 :].split()
    # A process whose first thread has ended looks dead, however many others it has.
    dead = fields[0] in (b"Z", b"X") and int(fields[17]) <= 1
    return Process(pid, int(fields[19]), int(fields[1]), int(fields[3]), dead)


def birth(pid: int) -> dict[str, object]:
    """What tells this process from every other of its number, also after a restart of the machine; or nothing."""
    process = look_up(pid)
    return {} if process is None else {"born": process.born, "boot": _boot()}


@lru_cache(maxsize=None)
def _boot() -> str:
    return _BOOT_ID.read_text("ascii").strip()


def remains(mark: str, root: int, pipes: Collection[int]) -> list[Process]:
    """What is left of a task whose first process, not reaped yet, has ended. Dead orphans are reaped on the way.

    `pipes` are the inodes of the pipes that it was given as output.
    """
    if not _own.adopts:
        return search(mark, root)
    living = _living_orphans()
    with _own.lock:
        others = [*_own.starting, *_own.running.values()]
    marked = _marked(living, mark)
    mine = [
        orphan
        for orphan in living
        if root == orphan.session
        or orphan.pid in marked
        or _holds(orphan.pid, pipes)
        # It hides well. But whose it is was there when it was born: if no task was that still runs, it is this one's,
        # or another's that has ended as well.
        or all(orphan.born < born for born in others)
    ]
    return _with_descendants(mine, _all()) if mine else []


def _living_orphans() -> list[Process]:
    """What tasks have left to the agent. The dead are reaped, until none is left that could have left it another."""
    while True:
        orphans = [look_up(pid) for pid in _orphans()]
        dead = [orphan for orphan in orphans if orphan is None or (orphan.zombie and _reap(orphan.pid))]
        if not dead:
            return [orphan for orphan in orphans if orphan is not None and not orphan.zombie]


def search(mark: str, root: Optional[int]) -> list[Process]:
    """All that carries the mark, is of the root's session, or descends from such."""
    everything = [process for process in _all() if process.pid != os.getpid() and not process.zombie]
    marked = _marked(everything, mark)
    found = [process for process in everything if root in (process.pid, process.session) or process.pid in marked]
    return _with_descendants(found, everything)


def holders_of_pipe(pipe: int) -> list[Process]:
    """Processes other than this one that hold an end of the pipe with this inode."""
    return [process for process in _all() if process.pid != os.getpid() and _holds(process.pid, (pipe,))]


def _holds(pid: int, pipes: Collection[int]) -> bool:
    names = {f"pipe:[{pipe}]" for pipe in pipes}
    return any(not names.isdisjoint(_descriptors(folder)) for folder in _places(pid))


def _descriptors(folder: str) -> set[str]:
    """What is open, as it is shown there."""
    held: set[str] = set()
    with contextlib.suppress(OSError), os.scandir(f"{folder}/fd") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                held.add(os.readlink(entry.path))
    return held


def _places(pid: int) -> Iterator[str]:
    """Where to look at a process: by its number, and, if its first thread has ended, by the others, which show it."""
    yield f"/proc/{pid}"
    with contextlib.suppress(OSError):
        yield from (f"/proc/{pid}/task/{thread}" for thread in os.listdir(f"/proc/{pid}/task") if thread != str(pid))


def _orphans() -> list[int]:
    """What was handed to the agent, without the tasks' first processes.

    Each thread has a list of its own. The kernel hands orphans to the first thread of the process that adopts them;
    kernels before 4.0 to the thread that started the task, which is the one that waits for it and asks here. What
    other threads are starting at this moment is in neither list: taken for an orphan, it would be reaped, and the
    task's exit code with it.
    """
    pids: list[int] = []
    for thread in {os.getpid(), threading.get_native_id()}:
        with contextlib.suppress(OSError), open(f"/proc/self/task/{thread}/children", "rb", 0) as children:
            pids += map(int, children.read().split())
    with _own.lock:
        return [pid for pid in pids if pid not in _own.tasks]


def _reap(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True  # another thread was faster


def _marked(processes: Iterable[Process], mark: str) -> set[int]:
    """Which of them carry the mark.

    A process that becomes another program (exec) shows no environment for a moment, as one without any does for ever:
    who shows none is looked at again, or a daemon that is just being started would be left to live.
    """
    wanted = f"{MARK_VARIABLE}={mark}".encode()
    shown = {process.pid: _environment(process.pid) for process in processes}
    for _ in range(_BARE_LOOKS):
        bare = [pid for pid, environment in shown.items() if environment == b""]
        if not bare:
            break
        time.sleep(_BARE_SECONDS)
        shown.update((pid, _environment(pid)) for pid in bare)
    return {pid for pid, environment in shown.items() if environment and wanted in environment.split(b"\0")}


def _environment(pid: int) -> Optional[bytes]:
    """As it was at the program's start. None: the process is gone, another account's, or the kernel's own."""
    for folder in _places(pid):
        with contextlib.suppress(OSError):
            environment = Path(f"{folder}/environ").read_bytes()
            if not environment:
                os.readlink(f"{folder}/exe")  # there is none of a thread of the kernel's
            return environment
    return None


def _all() -> list[Process]:
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    return [process for name in names if name.isdigit() and (process := look_up(int(name))) is not None]


def _with_descendants(roots: Iterable[Process], everything: Iterable[Process]) -> list[Process]:
    children: dict[int, list[Process]] = {}
    for process in everything:
        children.setdefault(process.parent, []).append(process)
    found: dict[int, Process] = {}
    waiting = list(roots)
    while waiting:
        process = waiting.pop()
        if process.pid not in found and not process.zombie:
            found[process.pid] = process
            waiting += children.get(process.pid, ())
    return list(found.values())


# --- killing


def kill(process: Process) -> None:
    """Kill it, unless it is gone and its number another's."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        try:
            handle = os.pidfd_open(process.pid)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            _kill_by_number(process)  # a kernel without such handles, or the process is gone
            return
        try:
            now = look_up(process.pid)
            if now is not None and now.born == process.born:
                signal.pidfd_send_signal(handle, signal.SIGKILL)  # type: ignore[attr-defined,unused-ignore]
        finally:
            os.close(handle)


def _kill_by_number(process: Process) -> None:
    now = look_up(process.pid)
    if now is not None and now.born == process.born:
        os.kill(process.pid, signal.SIGKILL)


def is_same(process: Process, described: Mapping[str, object]) -> bool:
    """Whether this is the process that `birth` described."""
    known = birth(process.pid)
    return bool(known) and all(described.get(key) == value for key, value in known.items())
