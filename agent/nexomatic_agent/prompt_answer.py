"""An answer that must be whole in time.

The usual time-out is for the next byte: an answer that trickles would hold a call, and with it a lease, for hours.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any, Optional

SLOWEST_BYTES_PER_SECOND = 16 * 1024
"""A line that carries less is no line: 128 kbit/s. Calls get that much more time by what they send and receive."""


class PromptAnswer(http.client.HTTPResponse):
    """An answer that must be whole within the socket's time-out, and what its size allows."""

    def __init__(self, connected: socket.socket, *args: Any, **named: Any) -> None:
        super().__init__(connected, *args, **named)
        self.fp = io.BufferedReader(_Prompt(connected, self.fp.detach()))


class _Prompt(io.RawIOBase):
    """The bytes of one answer, as long as they come in time."""

    def __init__(self, connected: socket.socket, source: io.RawIOBase) -> None:
        self._socket = connected
        self._source = source
        self._until = time.monotonic() + (connected.gettimeout() or 0.0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Optional[int]:
        """Raises socket.timeout when the time is over, though bytes still come."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise socket.timeout("the answer did not come to its end in time")
        self._socket.settimeout(left)
        read: Optional[int] = self._source.readinto(buffer)
        self._until += (read or 0) / SLOWEST_BYTES_PER_SECOND
        return read

    def close(self) -> None:
        self._source.close()
        super().close()
