"""One real hub process, as `make run` starts it, with its storage filled before or not, and nothing beside it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import psutil
import requests

from hosting.hub_client import HubClient
from hosting.leash import leash
from tests.e2e.local_platform import ROOT, free_port

TOKEN: Final = "nxt_an-admin-of-the-tests-of-size-and-of-nothing-else"
START_SECONDS: Final = 120.0
END_SECONDS: Final = 30.0
"""Deadlines for hanging only."""


@dataclass
class HubProcess:
    """A hub on a home folder. Use it in a `with` block: entering waits for the first answer."""

    home: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    """Settings beside the home, or in place of the embedded engine."""
    program: str = "tests.size.counted_host"
    """The module that serves; it is told the file of counts, and then what the host is told."""
    first: str = "/api/health"
    """The address of the first request; to a webhook it is a POST."""
    under: Sequence[str] = ()
    """A program that becomes the hub's process."""
    port: int = field(default_factory=free_port)
    first_answer_seconds: float = 0.0
    """From the start of the process to the first answered request."""
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start, and return at the first answer."""
        self.home.mkdir(parents=True, exist_ok=True)
        self._counts.unlink(missing_ok=True)
        began = time.monotonic()
        arguments = ["--app", str(ROOT), "--home", str(self.home / "host"), "--port", str(self.port), "--grace", "1"]
        arguments.append("--no-keys")  # so that a test may run the timer
        with (self.home / "hub.log").open("ab") as log:
            self._process = subprocess.Popen(
                leash([*self.under, sys.executable, "-m", self.program, str(self._counts), *arguments]),
                cwd=ROOT,
                env={**os.environ, **self._settings()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._until_answered(began)
        return self

    def _settings(self) -> dict[str, str]:
        return {
            "NEXOMATIC_HOME": str(self.home),
            "NEXOMATIC_FIRST_ADMIN_TOKEN_SHA256": hashlib.sha256(TOKEN.encode()).hexdigest(),
            "NEXOMATIC_PUBLIC_URL": self.url,
            "FUNCTIONS_WORKER_RUNTIME": "python",
            **self.environ,
        }

    def _until_answered(self, began: float) -> None:
        assert self._process is not None
        path, method = self.first, "POST" if self.first.startswith("/hooks/") else "GET"
        while True:
            try:
                answer = requests.request(method, self.url + path, json={}, timeout=START_SECONDS)
            except requests.ConnectionError:
                assert self._process.poll() is None, f"the hub ended:\n{self.log()}"
                assert time.monotonic() - began < START_SECONDS, f"the hub does not answer:\n{self.log()}"
                time.sleep(0.02)
            else:
                assert answer.ok, f"{path}: {answer.status_code} {answer.text}\n{self.log()}"
                self.first_answer_seconds = time.monotonic() - began
                return

    def stop(self) -> None:
        """As a service manager would; killed if it does not end."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def client(self) -> HubClient:
        return HubClient(self.url, TOKEN)

    @property
    def process(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def memory_mib(self) -> float:
        """Resident size."""
        return float(self.process.memory_info().rss) / 2**20

    def cpu_seconds(self) -> float:
        """Processor time so far, in user and kernel."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def tick(self) -> float:
        """Run the timer's function now, to its end; answers its seconds."""
        before = len(self._said()["ticks"])
        answer = requests.post(f"{self.url}/admin/functions/tick", json={}, timeout=START_SECONDS)
        assert answer.status_code == 202, f"{answer.status_code} {answer.text}"
        deadline = time.monotonic() + START_SECONDS
        while len(ticks := self._said()["ticks"]) == before:
            assert time.monotonic() < deadline, f"the timer's work does not end:\n{self.log()}"
            time.sleep(0.1)
        began, ended = ticks[-1]
        return float(ended - began)

    def operations(self) -> tuple[float, Counter[str]]:
        """What it asked of storage so far, by kind, and when that was so: seconds of the monotonic clock."""
        said = self._said()
        return said["at"], Counter(said["counts"])

    def _said(self) -> dict[str, Any]:
        while not self._counts.exists():
            time.sleep(0.05)
        document: dict[str, Any] = json.loads(self._counts.read_text())
        return document

    @property
    def _counts(self) -> Path:
        return self.home / "operations.json"

    def log(self) -> str:
        """What it wrote."""
        return (self.home / "hub.log").read_text(errors="replace")[-20_000:]
