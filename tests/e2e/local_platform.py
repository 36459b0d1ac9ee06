"""The whole platform as `make run` starts it, in a folder and on a port of its own."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from hosting.azurite import Ports
from hosting.hub_client import HubClient
from hosting.ports import ReservedPort

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90.0
END_SECONDS = 90.0
"""Deadlines for what takes seconds: a busy machine is slow, and a hanging test must say so."""


def free_port() -> int:
    """A port for a server that is started later, and perhaps again: kept until this process ends.

    Let go, it would be the next that another test is given.
    """
    reserved = ReservedPort()
    atexit.register(reserved.close)
    return reserved.number


def free_ports() -> Ports:
    """The same for an Azurite."""
    return Ports(free_port(), free_port(), free_port())


@dataclass
class Platform:
    """Starts, stops, and loses parts. Use it in a `with` block."""

    home: Path
    storage: str = "embedded"
    environ: Mapping[str, str] = field(default_factory=dict)
    """Settings beside those of the place."""
    output: list[str] = field(default_factory=list)
    _port: ReservedPort = field(default_factory=ReservedPort)
    """Kept while the hub is away, too: other tests look for ports at the same time."""
    _process: subprocess.Popen[str] | None = None
    _reader: threading.Thread | None = None

    def start(self) -> Self:
        """Start, and return when it is ready."""
        self.launch()
        self.until(lambda: self.ready_file.exists() or self._ended(), START_SECONDS)
        assert self.ready_file.exists(), f"it did not start:\n{''.join(self.output)}{self.log()}"
        return self

    def launch(self) -> None:
        """Begin to start."""
        where = {"NEXOMATIC_HOME": str(self.home), "NEXOMATIC_PORT": str(self._port.number)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hosting.run", "--storage", self.storage],
            cwd=ROOT,
            env={**os.environ, **self.environ, **where},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def stop(self) -> int:
        """Ctrl-C, and the exit code."""
        assert self._process is not None
        assert self._reader is not None
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(END_SECONDS)
        self._reader.join(END_SECONDS)
        return code

    @property
    def process_id(self) -> int:
        """Of the supervisor, whose children the parts are."""
        assert self._process is not None
        return self._process.pid

    def kill_all(self) -> None:
        """kill -9 of the supervisor, and with it of all it runs: what its sink runs it leaves to the next start."""
        assert self._process is not None
        assert self._reader is not None
        self._process.kill()
        self._process.wait()
        self._reader.join(END_SECONDS)
        self.ready_file.unlink(missing_ok=True)  # nobody is left to say that it is not true any more

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()
        self._port.close()

    @property
    def ready_file(self) -> Path:
        return self.home / "ready.json"

    @property
    def ready(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.ready_file.read_text())
        return document

    @property
    def client(self) -> HubClient:
        return HubClient(self.ready["url"], self.ready["token"])

    def pid(self, name: str) -> int:
        """The process id of a part, as `ready.json` says it now."""
        pid: int = self.ready["pids"][name]
        return pid

    def kill(self, name: str) -> int:
        """kill -9; returns the pid that died."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def until_restarted(self, name: str, dead: int) -> None:
        """Until the supervisor has started the part anew."""
        self.until(lambda: self.ready["pids"].get(name, dead) != dead, START_SECONDS)

    def final(self, event_id: str) -> dict[str, Any]:
        """The event, once it is final."""
        found: dict[str, Any] = {}

        def ended() -> bool:
            found.update(self.client.get(f"/api/events/{event_id}") or {})
            return found.get("finished_at") is not None

        self.until(ended, END_SECONDS)
        return found

    def until(self, condition: Callable[[], bool], seconds: float, look_seconds: float = 0.05) -> None:
        """Until it is so, looking every so often; fails after a deadline, with the log."""
        deadline = time.monotonic() + seconds
        while not _quietly(condition):
            assert time.monotonic() < deadline, f"not within {seconds:g} s:\n{self.log()}"
            time.sleep(look_seconds)

    def log(self) -> str:
        """What the processes wrote."""
        files = sorted((self.home / "logs").glob("*")) if (self.home / "logs").exists() else []
        return "".join(file.read_text(errors="replace")[-20_000:] for file in files)

    def _ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self.output.extend(self._process.stdout)
        self._process.stdout.close()


def _quietly(condition: Callable[[], bool]) -> bool:
    """Whether it is so; while a part is away, not yet."""
    try:
        return condition()
    except (OSError, json.JSONDecodeError, KeyError):
        return False
