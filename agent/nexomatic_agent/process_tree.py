"""A task's process and everything it starts: one thing to interrupt, to kill, and to wait for.

The child leads a session of its own, so a signal to its group reaches what it starts in the usual way. What leaves the
group (`setsid`, a daemon) is found on Linux by a random mark in its environment and by descent:

- the agent is made the subreaper of its descendants (`adopt_orphans`), so that whatever a task leaves behind becomes
  the agent's child, where one look at its list of children finds it; a short task pays for no search through /proc;
- after a crash of the agent, and where the kernel keeps no such list, /proc is searched for the mark.

A supervisor process for each task would do the same at the price of another process, and of its start in the way of
every task. Without /proc (macOS) only the group is killed. Windows: see process_tree_windows.py.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Callable, Optional

from nexomatic_agent import linux_processes as linux

log = logging.getLogger(__name__)

GONE_SECONDS = 5.0
"""A killed process that is still there after so long hangs in the kernel: the agent stops waiting for it."""
CHASE_SECONDS = 30.0
"""Processes that start others faster than they are killed are chased for so long."""
_LOOK_AGAIN_SECONDS = 0.005


class ProcessTree:
    """One task's process, with pipes to it. `wait` must be called, once; the other calls may come at any time."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str], mark: str) -> None:
        """Start it. Raises OSError."""
        self.killed = False
        """Whether it was killed on demand, before it had ended."""
        self._mark = mark
        self._lock = threading.Lock()
        self._ended = False
        with linux.starting_child():
            self._process = subprocess.Popen(  # noqa: S603 - running what the action names is the purpose
                command,
                cwd=folder,
                env={**environment, linux.MARK_VARIABLE: mark},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
            linux.child_started(self._process.pid)
        # By these, not by its descriptors, which are another's once they are closed.
        self._outputs = [os.fstat(pipe.fileno()).st_ino for pipe in self.pipes[1:]]

    @property
    def pipes(self) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
        """Its standard input, output and error."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        return process.stdin, process.stdout, process.stderr

    def described(self) -> dict[str, object]:
        """What finds it again after the agent has crashed, and never another process with its number."""
        return {"pid": self._process.pid, **linux.birth(self._process.pid)}

    def interrupt(self) -> None:
        """Ask it to end. Harmless when it has."""
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)  # what is stopped hears nothing

    def kill(self) -> None:
        """End it. `wait` ends what has left its group."""
        self.killed = self._signal(signal.SIGKILL)

    def wait(self) -> int:
        """Until it has ended; then kill what it left behind. Its exit code, negative for a signal."""
        # Not reaped yet, so that its number, which is also its group's, cannot become another's while we kill.
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            self._ended = True
        linux.child_ended(self._process.pid)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        _kill_until_gone(lambda: linux.remains(self._mark, self._process.pid, self._outputs))
        code = self._process.wait()
        linux.child_reaped(self._process.pid)
        return code

    def kill_pipe_holders(self) -> None:
        """Kill whoever still holds the other end of its output, by whatever way it hid."""
        for pipe in self._outputs:
            for process in linux.holders_of_pipe(pipe):
                linux.kill(process)

    def _signal(self, number: int) -> bool:
        with self._lock:
            if not self._ended:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, number)
            return not self._ended


def kill_remains(mark: str, described: Optional[Mapping[str, object]]) -> int:
    """Kill what is left of a task that an earlier life of the agent started. How many processes that were."""
    root = None
    if described is not None and isinstance(described.get("pid"), int):
        process = linux.look_up(int(str(described["pid"])))
        root = process.pid if process is not None and linux.is_same(process, described) else None
    return _kill_until_gone(lambda: linux.search(mark, root))


def _kill_until_gone(look: Callable[[], Sequence[linux.Process]]) -> int:
    """Look and kill until nothing is found: what is killed may have started another the moment before."""
    chase_until = time.monotonic() + CHASE_SECONDS
    wait_until = 0.0
    killed: set[int] = set()
    pause = threading.Event()
    while found := look():
        now = time.monotonic()
        if not killed.issuperset(process.pid for process in found):
            wait_until = min(now + GONE_SECONDS, chase_until)
        if now > wait_until:
            log.warning("processes cannot be killed, and are left: %s", ", ".join(str(one.pid) for one in found))
            break
        for process in found:
            linux.kill(process)
            killed.add(process.pid)
        pause.wait(_LOOK_AGAIN_SECONDS)
    return len(killed)
