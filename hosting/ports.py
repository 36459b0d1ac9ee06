"""Ports that stay ours while nobody listens on them.

A port whose process has died is free, and one from the system's own range may go to the next connection that anybody
makes; the process that is started again could not listen. A socket that is bound and does not listen keeps it: with
SO_REUSEADDR on both, Linux lets another listen on the same port, and gives it to nobody who asks for any.
"""

from __future__ import annotations

import socket
import time
from typing import Self

from hosting.errors import HostingError

LOCAL = "127.0.0.1"
_AGAIN_SECONDS = 0.05


class ReservedPort:
    """One port of this machine, ours until `close` or the end of this process."""

    def __init__(self, port: int = 0, patience: float = 0.0) -> None:
        """This port, or one that the system chooses.

        Raises `HostingError` if it may not be had, or somebody still listens on it after `patience` seconds.
        """
        deadline = time.monotonic() + patience
        while True:
            try:
                self._socket = _bound(port)
                return
            except OSError as error:
                if time.monotonic() >= deadline:
                    raise HostingError(f"port {port} cannot be used: {error.strerror}") from error
            time.sleep(_AGAIN_SECONDS)

    @property
    def number(self) -> int:
        port: int = self._socket.getsockname()[1]
        return port

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((LOCAL, port))
    except OSError:
        made.close()
        raise
    return made
