"""Nonsense over real connections to a real hub, 20 000 requests at least: only 2xx and 4xx, and its memory is flat.

Flat is what the hub has in use (`flat.py`), from request to request. What the allocator keeps of what was given back
comes in steps of some MiB, and is held by a looser bound on the resident size.

A failure says the request. `python -m tests.soak --only fuzz --seed N` draws the same ones again.
"""

from __future__ import annotations

import asyncio
import json
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, Final

import requests

from tests.fuzz.drawing import Known, Sent, requests_of
from tests.fuzz.judging import reached, wrong_with
from tests.fuzz.nonsense import Draw
from tests.fuzz.preparing import prepared
from tests.size.hub_process import TOKEN, HubProcess
from tests.soak import weighed_host
from tests.soak.flat import Sample, held_flat
from tests.soak.runs import Figures, Violation

LEAST: Final = 20_000
WARM: Final = 8_000
"""Requests after which every cache is as full as it gets."""
MOST_GROWTH: Final = 0.05
"""Of the resident size, from then on."""
EVERY: Final = 250
"""Requests from one sample of the memory to the next."""
ANSWER_SECONDS: Final = 60.0
STORED: Final = {"NEXOMATIC_POLL_SECONDS": "1"}


class Wire:
    """One connection, which writes what it is given: no library between that would refuse or mend it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def send(self, sent: Sent) -> tuple[int, dict[str, str], bytes]:
        """The answer. A server may end a connection that has rested: then once more on another."""
        for again in (True, False):
            if self._socket is None:
                self._socket = socket.create_connection(("127.0.0.1", self._port), ANSWER_SECONDS)
            try:
                return self._exchange(self._socket, sent)
            except (ConnectionError, HTTPException):
                self.close()
                if not again:
                    raise
        raise AssertionError

    def _exchange(self, connection: socket.socket, sent: Sent) -> tuple[int, dict[str, str], bytes]:
        headers = {"host": "hub", **sent.headers, "content-length": str(len(sent.body))}
        lines = [f"{sent.method} {sent.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        connection.sendall("\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + sent.body)
        with HTTPResponse(connection, method=sent.method) as answer:
            answer.begin()
            body = answer.read()
            if answer.will_close:
                self.close()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None


def run(seed: int, seconds: float) -> Figures:
    """For so long, and at least so many. Raises `Violation`."""
    with tempfile.TemporaryDirectory() as home, _hub(Path(home)) as hub:
        return _fuzz(hub, Draw(seed), time.monotonic() + seconds)


def _hub(home: Path) -> HubProcess:
    return HubProcess(home, STORED, program="tests.soak.weighed_host")


def _weighed(hub: HubProcess) -> Sample:
    sample: Sample = json.loads((hub.home / weighed_host.NAME).read_text())
    return {**sample, "resident (MiB)": hub.memory_mib()}


def _fuzz(hub: HubProcess, draw: Draw, until: float) -> Figures:
    known, wire, began = asyncio.run(_prepared(hub)), Wire(hub.port), time.monotonic()
    counts: Counter[tuple[str, int]] = Counter()
    samples: list[tuple[int, Sample]] = []
    slowest = 0.0
    while (number := counts.total()) < LEAST or time.monotonic() < until:
        sent = requests_of(draw, known, lambda: int(time.time()))
        asked = time.monotonic()
        status, headers, body = wire.send(sent)
        slowest = max(slowest, time.monotonic() - asked)
        wrong = wrong_with(sent, status, headers, body)
        if wrong is not None:
            raise Violation(f"request {number}: {wrong}\n{hub.log()[-2000:]}")
        counts[sent.kind, status] += 1
        if number >= WARM and number % EVERY == 0:
            samples.append((number, _weighed(hub)))
    wire.close()
    memory = {**_resident([sample["resident (MiB)"] for _, sample in samples]), **held_flat(samples)}
    if (missing := reached(counts)) is not None:
        raise Violation(f"{missing}: {sorted(counts.items())}")
    statuses = Counter(status for _, status in counts.elements())
    return {
        "requests": counts.total(),
        "requests a second": counts.total() / (time.monotonic() - began),
        "slowest answer (s)": slowest,
        **memory,
        **{f"answers {status}": count for status, count in sorted(statuses.items())},
    }


def _resident(sizes: Sequence[float]) -> Figures:
    growth = min(sizes[-10:]) / sizes[0] - 1
    if growth > MOST_GROWTH:
        raise Violation(f"the hub's memory grew by {growth:.1%}: {sizes}")
    return {"memory after the warm-up (MiB)": sizes[0], "growth from then on (%)": 100 * growth}


async def _prepared(hub: HubProcess) -> Known:
    def ask(method: str, path: str, document: Any, bearer: str | None) -> Any:
        token = TOKEN if bearer == "" else bearer
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        answer = requests.request(method, hub.url + path, json=document, headers=headers, timeout=ANSWER_SECONDS)
        if not answer.ok:
            raise Violation(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    return await prepared(ask)
