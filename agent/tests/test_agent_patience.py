"""Every wait of the client has an end, and a slow line is not taken for a dead one. Over real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

import pytest
from agent_testing.fake_hub import FakeHub
from nexomatic_agent import transport
from nexomatic_agent.answers import Steering, Transient
from nexomatic_agent.client import CALL_SECONDS, Client, patience
from nexomatic_agent.happenings import Renewed
from nexomatic_agent.intents import TaskResult
from nexomatic_agent.transport import PROBES, HeldSocket, Line
from nexomatic_agent.trust import trust

LEASE = b'{"token": "t", "lease_seconds": 30, "watched": false}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
NEVER = 3600.0

Behaviour = Callable[[socket.socket], None]


class RawHub:
    """Accepts connections and does with each, in turn, what it was told; the last one again and again."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self._behaviours = list(behaviours)
        self.accepted: list[socket.socket] = []
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def client(self) -> Client:
        return Client(f"http://127.0.0.1:{self._listener.getsockname()[1]}", "credential", trust(None), 4)

    def close(self) -> None:
        for each in [self._listener, *self.accepted]:
            each.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            behave = self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]
            self.accepted.append(connection)
            threading.Thread(target=self._behave, args=(behave, connection), daemon=True).start()

    @staticmethod
    def _behave(behave: Behaviour, connection: socket.socket) -> None:
        try:
            behave(connection)
        except OSError:
            """The client gave up, which is what this is about."""


@pytest.fixture
def raw_hub() -> Iterator[Callable[..., Client]]:
    """Makes a client of a hub that behaves like this."""
    made: list[RawHub] = []

    def make(*behaviours: Behaviour) -> Client:
        made.append(RawHub(*behaviours))
        return made[-1].client

    yield make
    for each in made:
        each.close()


def read_request(connection: socket.socket, rate: float = float("inf")) -> bytes:
    """One request, read at so many bytes a second."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += some(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(fields[b"content-length"]):
        part = some(connection)
        body += part
        time.sleep(len(part) / rate)
    return body


def some(connection: socket.socket) -> bytes:
    part = connection.recv(16 * 1024)
    if not part:
        raise ConnectionError("the client has gone")  # else its reader would be at it for ever
    return part


def silent(connection: socket.socket) -> None:
    read_request(connection)
    time.sleep(NEVER)


def half(connection: socket.socket) -> None:
    """Half of the body, and then nothing more."""
    read_request(connection)
    connection.sendall(HEAD % len(LEASE) + LEASE[:20])
    time.sleep(NEVER)


def cut(connection: socket.socket) -> None:
    """Half of the body, and then the end."""
    read_request(connection)
    connection.sendall(HEAD % len(LEASE) + LEASE[:20])
    connection.shutdown(socket.SHUT_RDWR)


def trickling(data: bytes, seconds: float) -> Behaviour:
    """One byte at a time."""

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(seconds)

    return behave


@pytest.mark.parametrize(
    "behave",
    [
        silent,
        half,
        cut,
        trickling(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0.01),
        trickling(HEAD % len(LEASE) + LEASE, 0.01),
        trickling(b"HTTP/1.1 200 OK\r\n" + b"X-Filling: y\r\n" * 90, 0.01),
    ],
    ids=["silent", "half", "cut", "continues", "trickles", "heads"],
)
def test_a_call_ends_in_time_whatever_comes(raw_hub: Callable[..., Client], behave: Behaviour) -> None:
    with pytest.raises(Transient):
        raw_hub(behave).renew("EVENT", "token", 0.3)


def test_a_poll_ends_in_time_too(raw_hub: Callable[..., Client], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nexomatic_agent.client.HOLD_MARGIN_SECONDS", 0.2)
    client = raw_hub(trickling(HEAD % len(LEASE) + LEASE, 0.01))
    with pytest.raises(Transient):
        client.poll({"slots": 1}, Steering(0.1, 0.0), lambda: False)


def test_an_answer_that_is_long_gets_the_time_its_size_needs(raw_hub: Callable[..., Client]) -> None:
    long = LEASE[:-1] + b', "filling": "' + b"x" * 400_000 + b'"}'

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(HEAD % len(long))
        for start in range(0, len(long), 20_000):
            connection.sendall(long[start : start + 20_000])
            time.sleep(0.06)

    assert isinstance(raw_hub(behave).renew("EVENT", "token", 1.0), Renewed)


def test_a_request_that_is_long_gets_the_time_its_size_needs(
    raw_hub: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`requests` gives it what making a connection may take: 5 s, or as here less, whatever its size."""
    monkeypatch.setattr("nexomatic_agent.client.CONNECT_SECONDS", 0.2)
    recorded = b'{"recorded": true}'
    read: list[int] = []

    def behave(connection: socket.socket) -> None:
        read.append(len(read_request(connection, rate=8_000_000)))
        connection.sendall(HEAD % len(recorded) + recorded)

    raw_hub(behave).result("EVENT", "token", TaskResult("SUCCESS", data="x" * 8_000_000), [])
    assert read[0] > 8_000_000


def test_a_line_that_takes_nothing_more_is_given_up(
    raw_hub: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "SEND_SECONDS", 0.1)
    monkeypatch.setattr(transport, "SLOWEST_BYTES_PER_SECOND", 1 << 40)
    with pytest.raises(Transient):
        raw_hub(lambda _: time.sleep(NEVER)).result("EVENT", "token", TaskResult("SUCCESS", data="x" * 8_000_000), [])


def test_one_dead_connection_is_not_followed_by_the_others(raw_hub: Callable[..., Client]) -> None:
    """A firewall that forgot them swallows what is sent on each: each would cost a time-out."""
    together = threading.Barrier(3)

    def answer_once_then_fall_silent(connection: socket.socket) -> None:
        read_request(connection)
        together.wait(10)
        connection.sendall(HEAD % len(LEASE) + LEASE)
        time.sleep(NEVER)

    client = raw_hub(answer_once_then_fall_silent)

    def three_at_once() -> list[Renewed]:
        with ThreadPoolExecutor(3) as pool:
            return list(pool.map(lambda _: client.renew("EVENT", "token", 10.0), range(3)))

    three_at_once()
    with pytest.raises(Transient):
        client.renew("EVENT", "token", 0.2)
    assert len(three_at_once()) == 3


@pytest.mark.parametrize("lease_seconds", [10.0, 30.0, 60.0, 3600.0])
def test_a_call_that_stalls_leaves_time_for_another(lease_seconds: float) -> None:
    """Before the event changes hands, when the lease, the margin of 5 s and a third of a lease are over."""
    connecting_and_waiting = 5.0 + 0.5
    first = lease_seconds / 3 + patience(lease_seconds)
    assert first + connecting_and_waiting < lease_seconds + 5.0 + lease_seconds / 3
    assert patience(lease_seconds) <= CALL_SECONDS


def test_a_connection_on_which_nothing_is_heard_is_probed(hub: FakeHub) -> None:
    kept: dict[str, Any] = {}

    class Looking(HeldSocket):
        def hold(self, connected: Any) -> None:
            kept.update({name: connected.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in PROBES})
            kept["on"] = connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)

    Line(hub.address, "credential", trust(None), 1, Looking()).post("/agent/events/E/renew", b'{"token": "t"}', 5, 10)
    assert kept == {**PROBES, "on": 1}
