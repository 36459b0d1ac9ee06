"""The proxy as a test sees it: starts the process, opens lanes, says what goes wrong on each, reads what came by."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.network.rules import KINDS, Fault, Rule, Seen

ROOT = Path(__file__).resolve().parents[2]


class BadNetwork:
    """One proxy process. Use it in a `with` block; any thread may call it."""

    def __init__(self, hub_port: int, seed: int = 1) -> None:
        self._command = [sys.executable, "-m", "tests.network.proxy", "--hub", str(hub_port), "--seed", str(seed)]
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        port = int(self._process.stdout.readline())
        self._control = socket.create_connection(("127.0.0.1", port))
        self._lines = self._control.makefile("rw")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._control.shutdown(socket.SHUT_RDWR)
        self._lines.close()
        self._control.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def order(self, lane: str, do: str, what: Any = None) -> Any:
        """Have the proxy do something, and return when it is done."""
        with self._lock:
            self._lines.write(json.dumps({"lane": lane, "do": do, "with": what}) + "\n")
            self._lines.flush()
            return json.loads(self._lines.readline())

    def lane(self, name: str) -> LaneHandle:
        """A way to the hub that is good until told otherwise."""
        return LaneHandle(self, name, self.order(name, "open"))


class LaneHandle:
    """One agent's way to the hub."""

    def __init__(self, network: BadNetwork, name: str, port: int) -> None:
        self._network = network
        self._name = name
        self.address = f"http://127.0.0.1:{port}"

    def rules(self, *rules: Rule) -> None:
        """From now on these, and no others."""
        self._network.order(self._name, "rules", [rule.to_json() for rule in rules])

    def add(self, *rules: Rule) -> None:
        """These too."""
        self._network.order(self._name, "add", [rule.to_json() for rule in rules])

    @contextmanager
    def fault(self, fault: Fault, kinds: Sequence[str] = KINDS) -> Iterator[None]:
        """This fault on these kinds of calls, within the block."""
        self.rules(Rule(fault, tuple(kinds)))
        try:
            yield
        finally:
            self.rules()

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Connections are refused, and those open are reset, within the block."""
        self._network.order(self._name, "down")
        try:
            yield
        finally:
            self._network.order(self._name, "up")

    def seen(self, after: int = 0) -> list[Seen]:
        """The requests that came by, the first `after` left out."""
        return [Seen(*each) for each in self._network.order(self._name, "seen", after)]

    def counts(self, after: int = 0) -> Counter[str]:
        """How many of each kind."""
        return Counter(each.kind for each in self.seen(after))
