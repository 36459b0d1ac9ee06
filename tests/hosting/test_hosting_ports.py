"""Ports that are kept while nobody listens on them."""

from __future__ import annotations

import errno
import socket
import struct
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from hosting import run
from hosting.errors import HostingError
from hosting.ports import LOCAL, ReservedPort
from hosting.run import Place

IP_LOCAL_PORT_RANGE = 51
"""Linux 6.3: from which ports the system may choose for this socket."""


def only_port(port: int) -> socket.socket:
    """A socket for which the system may choose this port and no other."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, struct.pack("I", port << 16 | port))
    except OSError:
        made.close()
        pytest.skip("this kernel cannot be told from which ports to choose")
    return made


def test_a_reserved_port_is_for_who_asks_for_it_by_number() -> None:
    with ReservedPort() as reserved:
        for _ in range(2):  # between two lives it is kept
            with socket.create_server((LOCAL, reserved.number)):
                socket.create_connection((LOCAL, reserved.number)).close()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((LOCAL, reserved.number))


def test_nobody_who_asks_for_any_port_is_given_a_reserved_one() -> None:
    with ReservedPort() as reserved, socket.create_server((LOCAL, 0)) as there:
        port = reserved.number
        with only_port(port) as listener, pytest.raises(OSError, match="in use"):
            listener.bind((LOCAL, 0))
        with only_port(port) as caller:
            assert caller.connect_ex(there.getsockname()) == errno.EADDRNOTAVAIL
    with only_port(port) as listener:
        listener.bind((LOCAL, 0))  # no longer reserved


def test_who_still_listens_is_waited_for_and_then_told_about() -> None:
    with socket.create_server((LOCAL, 0)) as there:
        port = there.getsockname()[1]
        with pytest.raises(HostingError, match=f"port {port} cannot be used: Address already in use"):
            ReservedPort(port, patience=0.1)
        threading.Timer(0.2, there.close).start()
        ReservedPort(port, patience=30).close()


def test_make_run_says_that_its_port_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "PORT_SECONDS", 0.0)
    with socket.create_server((LOCAL, 0)) as there, ExitStack() as held:
        port = there.getsockname()[1]
        with pytest.raises(HostingError, match=f"port {port} cannot be used"):
            run.run(Place(tmp_path, port, "embedded"), held)
