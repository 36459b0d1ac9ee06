"""Letting go of a held poll: `requests` cannot be interrupted, but the socket it waits on can be shut."""

from __future__ import annotations

import contextlib
import socket
from typing import Any, Callable, Optional

from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from nexomatic_agent.slim_requests import requests


class HeldSocket:
    """The socket of a session's newest connection."""

    def __init__(self) -> None:
        self._socket: Optional[socket.socket] = None
        self.let_go: Callable[[], bool] = lambda: False
        """Whether the call under way is to be let go: asked once a new connection is there."""

    def hold(self, connected: Optional[socket.socket]) -> None:
        """A new connection. Raises ConnectionAbortedError if the call was let go while it was being made."""
        self._socket = connected
        if self.let_go():
            raise ConnectionAbortedError("the poll was let go")

    def cut(self) -> None:
        """Wake whoever waits on the socket; their call ends with a connection error. Harmless if nobody does."""
        held = self._socket
        if held is not None:
            with contextlib.suppress(OSError):
                # Not SSLSocket.shutdown, which takes the TLS state from under the thread that reads.
                socket.socket.shutdown(held, socket.SHUT_RDWR)


class _Adapter(requests.adapters.HTTPAdapter):
    """Tells a HeldSocket of each connection it opens."""

    def __init__(self, connections: int, held: HeldSocket) -> None:
        self._held = held
        super().__init__(pool_connections=1, pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **named: Any) -> None:
        super().init_poolmanager(*args, **named)
        self.poolmanager.pool_classes_by_scheme = _pools(self._held)

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **named)
        manager.pool_classes_by_scheme = _pools(self._held)
        return manager


def _pools(held: HeldSocket) -> dict[str, Any]:
    return {"http": _pool(HTTPConnectionPool, held), "https": _pool(HTTPSConnectionPool, held)}


def _pool(pool: Any, held: HeldSocket) -> Any:
    class Connection(pool.ConnectionCls):  # type: ignore[misc]  # the class is chosen by the scheme
        def connect(self) -> None:
            super().connect()
            held.hold(self.sock)

    return type(pool.__name__, (pool,), {"ConnectionCls": Connection})


def mount(session: requests.Session, connections: int, held: Optional[HeldSocket]) -> None:
    """Give the session so many connections to the hub, watched if a HeldSocket is given."""
    adapter: requests.adapters.HTTPAdapter
    if held is None:
        adapter = requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=connections)
    else:
        adapter = _Adapter(connections, held)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
