"""A real agent process, as a service manager would start it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Optional

AGENT_FOLDER = Path(__file__).parents[1]
END_SECONDS = 60


class AgentProcess:
    """`python -m nexomatic_agent run` on a state folder, enrolled with a token on its first start.

    `under` is a command line that starts another.
    """

    def __init__(
        self,
        hub: str,
        folder: Path,
        modules: Path,
        *options: str,
        command: str = "run",
        token: str = "t" * 43,
        under: Sequence[str] = (),
    ) -> None:
        self.state = folder / "state"
        self._log_file = folder / "agent.log"
        self._arguments = [
            *under, sys.executable, "-m", "nexomatic_agent", command,
            "--hub", hub, "--state", str(self.state), "--modules", str(modules), "--token", token, *options,
        ]  # fmt: skip
        self._process: Optional[subprocess.Popen[bytes]] = None

    def start(self) -> AgentProcess:
        """Start it, again after it has ended."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("NEXOMATIC")}
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - this very package
                self._arguments, env={**environment, "PYTHONPATH": str(AGENT_FOLDER)}, stdout=log, stderr=log
            )
        return self

    def __enter__(self) -> AgentProcess:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        _kill_tasks_of(self.state)
        if error is not None:
            sys.stderr.write(self.log())

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def signal(self, number: int = signal.SIGTERM) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end. Its exit code."""
        assert self._process is not None
        return self._process.wait(END_SECONDS)

    def log(self) -> str:
        return self._log_file.read_text("utf-8") if self._log_file.exists() else ""


def _kill_tasks_of(state: Path) -> None:
    """What a killed agent left running ends with the test: its next start, which would end it, never comes."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.fsencode(f"{state}{os.sep}") in (process / "environ").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)
