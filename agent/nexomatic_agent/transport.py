"""How `requests` connects for the agent: with its trust, and with a way to let go of a held poll."""

from __future__ import annotations

import contextlib
import socket
import ssl
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Callable, Optional

from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from nexomatic_agent.slim_requests import requests
from nexomatic_agent.version import VERSION


class HeldSocket:
    """The socket of a session's newest connection.

    `requests` cannot be interrupted while it waits for an answer, but the socket it waits on can be shut.
    """

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


class _Bearer(requests.auth.AuthBase):
    """The credential. As `auth`, so that a .netrc on the machine cannot take its place."""

    def __init__(self, credential: Optional[str]) -> None:
        self._credential = credential

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._credential is not None:
            request.headers["Authorization"] = f"Bearer {self._credential}"
        return request


class _Adapter(requests.adapters.HTTPAdapter):
    """Connects with the agent's trust, and tells a HeldSocket of each connection."""

    def __init__(self, connections: int, context: ssl.SSLContext, held: HeldSocket) -> None:
        self._context = context
        self._held = held
        super().__init__(pool_connections=1, pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **named: Any) -> None:
        super().init_poolmanager(*args, **named, ssl_context=self._context)
        self.poolmanager.pool_classes_by_scheme = _pools(self._held)

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **named, ssl_context=self._context)
        manager.pool_classes_by_scheme = _pools(self._held)
        return manager

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """The context holds the trust; the usual method would read a list of its own for every connection."""
        del url, verify, cert
        conn.cert_reqs = "CERT_REQUIRED"


def _pools(held: HeldSocket) -> dict[str, Any]:
    return {"http": _pool(HTTPConnectionPool, held), "https": _pool(HTTPSConnectionPool, held)}


def _pool(pool: Any, held: HeldSocket) -> Any:
    class Connection(pool.ConnectionCls):  # type: ignore[misc]  # the class is chosen by the scheme
        def connect(self) -> None:
            super().connect()
            held.hold(self.sock)

    return type(pool.__name__, (pool,), {"ConnectionCls": Connection})


def session(
    credential: Optional[str], context: ssl.SSLContext, connections: int, held: Optional[HeldSocket] = None
) -> requests.Session:
    """A session with so many connections. Nothing of it changes later, so threads may share it: cookies are off."""
    made = requests.Session()
    made.auth = _Bearer(credential)
    made.headers.update({"User-Agent": f"nexomatic-agent/{VERSION}", "Accept": "application/json"})
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    adapter = _Adapter(connections, context, held or HeldSocket())
    made.mount("https://", adapter)
    made.mount("http://", adapter)
    return made
