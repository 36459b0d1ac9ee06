"""Azurite, Azure Storage on this machine: the version pinned in package.json, run from `node_modules`.

`start_azurite()` is for tests: a fresh one, in memory or in a folder, on ports of its own. `azurite_command()` and
`connection_string()` are for who supervises it and must know the ports before it runs, and keep them over a restart.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple, Self

from hosting.errors import DidNotStart, NotInstalled
from hosting.leash import leash

PROGRAM = Path(__file__).resolve().parent.parent / "node_modules/azurite/dist/src/azurite.js"
BIND = "127.0.0.1"
ACCOUNT = "devstoreaccount1"
# The emulator's account key is the same for everybody and printed in its manual: it protects nothing.
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
START_SECONDS = 60.0  # it needs one or two; a busy machine with cold files needs more
STOP_SECONDS = 5.0

_LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at http://[^:]+:(\d+)")


class Ports(NamedTuple):
    """Where the three services listen; 0 lets the system choose."""

    blob: int = 0
    queue: int = 0
    table: int = 0


def azurite_command(location: Path | None, ports: Ports) -> list[str]:
    """The command line of Azurite, keeping its data in `location`, or in memory only if that is None.

    Raises NotInstalled if Node.js or the npm package is missing.
    """
    node = shutil.which("node")
    if node is None:
        raise NotInstalled("Azurite needs Node.js 20 or later: `node` is not on the PATH")
    if not PROGRAM.is_file():
        raise NotInstalled("Azurite is not installed: run `npm ci` in the repository")
    # --loose is left out on purpose: it accepts what Azure refuses.
    return [node, str(PROGRAM), *_persistence(location), "--skipApiVersionCheck", "--disableTelemetry", "--silent"] + [
        word
        for service, port in zip(("blob", "queue", "table"), ports, strict=True)
        for word in (f"--{service}Host", BIND, f"--{service}Port", str(port))
    ]


def _persistence(location: Path | None) -> Sequence[str]:
    return ["--inMemoryPersistence"] if location is None else ["--location", str(location)]


def connection_string(ports: Ports) -> str:
    """The connection string of the Azurite that listens on these ports."""
    base = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
    services = zip(("Blob", "Queue", "Table"), ports, strict=True)
    return base + "".join(f"{name}Endpoint=http://{BIND}:{port}/{ACCOUNT};" for name, port in services)


class Azurite:
    """A running Azurite; a context manager that stops it. It dies with the process (and thread) that started it."""

    def __init__(self, process: subprocess.Popen[str], output: IO[str]) -> None:
        self._process = process
        self._last_lines: deque[str] = deque(maxlen=20)
        self._found: dict[str, int] = {}
        self._told = threading.Event()
        # Its output is read to the end: a full pipe would stop it.
        self._reader = threading.Thread(target=self._read, args=(output,), name="azurite-output", daemon=True)
        self._reader.start()

    @property
    def ports(self) -> Ports:
        return Ports(self._found["Blob"], self._found["Queue"], self._found["Table"])

    @property
    def connection_string(self) -> str:
        return connection_string(self.ports)

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Return when all three services listen; raises DidNotStart, with its last words, if they do not."""
        self._told.wait(seconds)
        if len(self._found) < len(Ports._fields):
            self.stop()
            raise DidNotStart("Azurite did not start:\n" + "\n".join(self._last_lines))

    def stop(self) -> None:
        """End it: asked first, so that a folder's data is written; killed if that takes longer than 5 s."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._reader.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _read(self, output: IO[str]) -> None:
        with output:
            for line in output:
                self._last_lines.append(line.rstrip())
                if match := _LISTENING.search(line):
                    self._found[match[1]] = int(match[2])
                if len(self._found) == len(Ports._fields):
                    self._told.set()
        self._told.set()


def start_azurite(location: Path | None = None, ports: Ports | None = None) -> Azurite:
    """Start Azurite on ports of its own (or these) and wait until it answers; in memory if `location` is None.

    Raises NotInstalled if it is missing, DidNotStart if it ends or is not up within a minute.
    """
    process = subprocess.Popen(  # noqa: S603 - the command is ours
        leash(azurite_command(location, ports or Ports())),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C is for who started it, who will stop it in order
    )
    assert process.stdout is not None
    azurite = Azurite(process, process.stdout)
    azurite.wait_ready()
    return azurite
