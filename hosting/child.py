"""One supervised process: started, read, waited for, started again when it dies, and ended with all it started.

All of that happens in one thread per child, which lives as long as the child is wanted: the kernel's promise to kill
the child with us (see `leash.py`) holds for the thread that started it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from hosting.child_log import ChildLog, Voice
from hosting.leash import leash

GRACE_SECONDS = 10.0  # between asking a child to end and killing it
HEALTHY_SECONDS = 5.0  # who lived that long did not die of how it was started
LONGEST_BACKOFF_SECONDS = 30.0
LAST_LINES = 20
_LINE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What to run: a name for the log, the command line, its whole environment, and where it says that it is ready."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    ready_url: str | None = None
    stands_on: str | None = None
    """The child whose crash ends this one too: what this one remembers of it may not be true any more."""
    final_status: int | None = None
    """An exit status by which it says that it is not to be started again."""


def backoff(quick_deaths: int) -> float:
    """Seconds before the next start, after so many deaths in a row soon after a start: 0, 0, 1, 2, 4 … 30."""
    return 0.0 if quick_deaths < 2 else min(LONGEST_BACKOFF_SECONDS, 2.0 ** (quick_deaths - 2))


class Child:
    """A process that is kept running until `stop`."""

    def __init__(
        self, spec: ChildSpec, log: ChildLog, changed: Callable[[], None], crashed: Callable[[str], None]
    ) -> None:
        """`changed` is called when a process comes or goes, `crashed`, with the name, when one goes by itself badly."""
        self.spec = spec
        self.deaths = 0
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._log = log
        self._changed = changed
        self._crashed = crashed
        self._stopping = threading.Event()
        self._lock = threading.Lock()  # between starting a process and being told to stop
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep_running, name=f"child-{spec.name}", daemon=True)

    @property
    def pid(self) -> int | None:
        """The process id, while there is a process."""
        process = self._process
        return None if process is None else process.pid

    def start(self) -> None:
        self._thread.start()

    def stop(self, grace: float) -> None:
        """Ask it to end, then kill it and all it started; returns when nothing of it is left."""
        self._stopping.set()
        with self._lock:
            process = self._process
        if process is not None:
            _signal_group(process.pid, signal.SIGTERM)
            self._thread.join(grace)
            if self._thread.is_alive():
                self._say(f"does not end within {grace:g} s and is killed", loud=True)
                kill_tree(process.pid)
        self._thread.join()

    def restart(self, why: str) -> None:
        """Kill the process, if there is one; another is started in its place."""
        with self._lock:
            if self._process is not None:
                self._say(f"is killed: {why}", loud=True)
                _signal_group(self._process.pid, signal.SIGKILL)

    # --- the thread --------------------------------------------------------------------------------------------------

    def _keep_running(self) -> None:
        quick_deaths = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            status = self._run_once()
            if self._stopping.is_set():
                return
            if self.spec.final_status is not None and status == _ended(self.spec.final_status):
                self._say(f"{status}, and is not started again: it was told to stop", loud=True)
                return
            self.deaths += 1
            quick_deaths = quick_deaths + 1 if time.monotonic() - began < HEALTHY_SECONDS else 0
            wait = backoff(quick_deaths)
            self._say(f"{status}; it is started again{f' in {wait:g} s' if wait else ''}", loud=True)
            self._stopping.wait(wait)

    def _run_once(self) -> str:
        """From start to end; answers what the end was."""
        try:
            with self._lock:
                if self._stopping.is_set():
                    return "was not started"
                process = self._process = self._spawn()
        except OSError as error:
            return f"could not be started: {error}"
        self._changed()
        reader = threading.Thread(target=self._read, args=(process.stdout,), name="child-output", daemon=True)
        reader.start()
        # Wait without collecting it: as long as it is a zombie its process group cannot be anybody else's.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        _signal_group(process.pid, signal.SIGKILL)
        with self._lock:  # who has the lock may signal a process that it sees
            status = process.wait()
            self._process = None
        reader.join(1.0)  # not longer: a stray descendant may hold the other end
        self._changed()
        if status and not self._stopping.is_set():
            self._crashed(self.spec.name)
        return f"was killed by {signal.Signals(-status).name}" if status < 0 else _ended(status)

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - what to run is the caller's choice
            leash(self.spec.argv),
            env=dict(self.spec.env),
            cwd=self.spec.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a group of its own: Ctrl-C is ours to pass on, in order
        )

    def _read(self, output: IO[bytes]) -> None:
        voice = Voice()
        with output:
            while raw := output.readline(_LINE_BYTES):
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                self.last_lines.append(line)
                self._log.write(self.spec.name, line, voice.is_loud(line))

    def _say(self, text: str, loud: bool) -> None:
        self._log.write(self.spec.name, f"{'WARNING' if loud else 'INFO'} {self.spec.name} {text}", loud)


def _ended(status: int) -> str:
    return f"ended with status {status}"


def _signal_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
        os.killpg(pid, number)


def kill_tree(pid: int) -> None:
    """Kill a process, its group, and its descendants that made groups of their own."""
    try:
        descendants = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        descendants = []
    _signal_group(pid, signal.SIGKILL)
    for each in descendants:
        with suppress(psutil.NoSuchProcess):
            each.kill()
