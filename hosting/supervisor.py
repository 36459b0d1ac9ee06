"""Keeps a few processes running on one machine, as a service manager would, and leaves none behind.

    supervisor = Supervisor(home / "logs", on_change=write_pids)
    supervisor.handle_signals()
    try:
        supervisor.start(ChildSpec("hub", argv, env, cwd, ready_url))
        supervisor.wait_ready("hub", 60)
        supervisor.wait()
    finally:
        supervisor.stop()

Children die with the supervisor even when it is killed with -9, on Linux; `leash.py` says how and why so.
"""

from __future__ import annotations

import http.client
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self, TextIO
from urllib.parse import urlsplit

from hosting.child import GRACE_SECONDS, Child, ChildSpec
from hosting.child_log import ChildLog
from hosting.errors import DidNotStart, HostingError, Stopped

__all__ = ["ChildSpec", "Supervisor"]

DEATHS_TO_GIVE_UP = 2  # while waiting for a child to be ready
_PROBE_SECONDS = 0.05
_PROBE_TIMEOUT_SECONDS = 2.0


class Supervisor:
    """Runs children; methods may be called from any thread, `handle_signals` from the main one.

    `on_change` is called with the process ids by name, in the order of starting, whenever one comes or goes; a child
    between two lives is left out. Calls never overlap.
    """

    def __init__(
        self,
        log_dir: Path,
        on_change: Callable[[Mapping[str, int]], None],
        grace: float = GRACE_SECONDS,
        terminal: TextIO | None = None,
    ) -> None:
        self.log = ChildLog(log_dir, terminal)
        self._on_change = on_change
        self._grace = grace
        self._children: dict[str, Child] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def start(self, spec: ChildSpec) -> None:
        """Start a child and keep it running. Raises Stopped after `stop`, HostingError for a name that is taken."""
        if self._stopping.is_set():
            raise Stopped
        if spec.name in self._children:
            raise HostingError(f"there is a child named {spec.name} already")
        child = self._children[spec.name] = Child(spec, self.log, self._changed, self._crashed)
        child.start()

    def wait_ready(self, name: str, timeout: float) -> None:
        """Return when a child's `ready_url` answers (http: with a 2xx; tcp: at all), or without one as soon as it runs.

        Raises DidNotStart, with its last words, after `timeout` seconds or when it dies twice; Stopped if told to stop.
        """
        child = self._children[name]
        deadline, deaths = time.monotonic() + timeout, child.deaths
        while not self._is_ready(child):
            if child.deaths - deaths >= DEATHS_TO_GIVE_UP or time.monotonic() > deadline:
                reason = "died again and again" if child.deaths - deaths else f"is not ready after {timeout:g} s"
                raise DidNotStart("\n".join([f"{name} {reason}; its last words:", *child.last_lines]))
            if self._stopping.wait(_PROBE_SECONDS):
                raise Stopped

    def _is_ready(self, child: Child) -> bool:
        return child.pid is not None and (child.spec.ready_url is None or answers(child.spec.ready_url))

    def pids(self) -> dict[str, int]:
        """The process ids of the children that run, by name, in the order they were started."""
        return {name: pid for name, child in list(self._children.items()) if (pid := child.pid) is not None}

    def _changed(self) -> None:
        with self._lock:
            try:
                self._on_change(self.pids())
            except Exception as error:  # noqa: BLE001 - a child must not be lost because its pid cannot be told
                self.log.write("run", f"WARNING the process ids cannot be passed on: {error!r}", loud=True)

    def _crashed(self, name: str) -> None:
        for child in list(self._children.values()):
            if child.spec.stands_on == name:
                child.restart(f"{name} has crashed, and may have forgotten what {child.spec.name} remembers of it")

    def handle_signals(self) -> None:
        """Let SIGINT and SIGTERM end `wait` and `wait_ready`, instead of this process."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._stopping.set())

    def wait(self) -> None:
        """Return when told to stop, by a signal or by `stop`."""
        while not self._stopping.wait(1.0):  # in pieces: a wait without end would not let signal handlers run
            pass

    def stop(self) -> None:
        """End all children, the last started first, and return when none is left. Again: does nothing."""
        self._stopping.set()
        for name, child in reversed(list(self._children.items())):
            child.stop(self._grace)
            self.log.write(name, f"INFO {name} is stopped", loud=False)
        self._children.clear()
        self.log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def answers(url: str) -> bool:
    """Whether an http address answers a GET with a 2xx, or a tcp one takes a connection."""
    parts = urlsplit(url)
    if parts.scheme == "tcp":
        return accepts(parts.hostname or "", parts.port or 0)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PROBE_TIMEOUT_SECONDS)
    try:
        connection.request("GET", parts.path or "/")
        return 200 <= connection.getresponse().status < 300
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def accepts(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection((host, port), _PROBE_TIMEOUT_SECONDS).close()
    except OSError:
        return False
    return True
