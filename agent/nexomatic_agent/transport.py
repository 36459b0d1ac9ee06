"""How `requests` connects for the agent: with its trust, a way to let go of a held poll, and an end to every wait.

Left to itself it gives a request what making a connection may take, 5 s, to be sent in, whatever its size; and the
answer any time at all, as long as a byte of it comes now and then.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Mapping
from typing import Any, Callable, Optional
from urllib.parse import urlsplit

from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from nexomatic_agent.loopback import is_loopback, names_loopback
from nexomatic_agent.prompt_answer import SLOWEST_BYTES_PER_SECOND, PromptAnswer
from nexomatic_agent.slim_requests import requests
from nexomatic_agent.version import VERSION

SEND_SECONDS = 20.0
"""Until the system has taken a request off our hands, beside what its size allows."""
PROBES = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""A connection on which nothing was heard for 15 s is probed each 5 s, and is broken after the third without an echo.
So a held poll notices in half a minute that its far end is gone, and no firewall takes it for a dead one."""


class HeldSocket:
    """The socket of a line's newest connection.

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
    return {
        "http": _pool(HTTPConnectionPool, held, is_tls=False),
        "https": _pool(HTTPSConnectionPool, held, is_tls=True),
    }


def _pool(pool: Any, held: HeldSocket, is_tls: bool) -> Any:
    class Connection(pool.ConnectionCls):  # type: ignore[misc]  # the class is chosen by the scheme
        response_class = PromptAnswer

        def connect(self) -> None:
            super().connect()
            _check_far_end(self, is_tls)
            _probe(self.sock)
            held.hold(self.sock)

        def send(self, data: bytes) -> None:
            if self.sock is None:
                self.connect()
            self.sock.settimeout(SEND_SECONDS + len(data) / SLOWEST_BYTES_PER_SECOND)
            super().send(data)

    return type(pool.__name__, (pool,), {"ConnectionCls": Connection})


def _check_far_end(connection: Any, is_tls: bool) -> None:
    """Without TLS, hang up on another machine before a byte is sent: `localhost` is what a resolver says it is.

    Raises ConnectionAbortedError.
    """
    if is_tls or is_loopback(connection.sock.getpeername()[0]):
        return
    connection.close()
    raise ConnectionAbortedError("http:// led to another machine, which would see the credential: use https://")


def _probe(connected: socket.socket) -> None:
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in PROBES.items():
        if hasattr(socket, name):  # not every system lets a program choose
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _proxies(hub: str) -> dict[str, str]:
    """The environment's proxies, but none to this machine: a proxy would be handed the credential, and be elsewhere."""
    parts = urlsplit(hub)
    if parts.scheme == "http" or names_loopback(parts.hostname or ""):
        return {}
    return dict(requests.utils.get_environ_proxies(hub))


class Line:
    """So many connections to the hub, shared by threads.

    A session of `requests` parses the address, searches the environment for proxies, and minds cookies and redirects
    anew for every call, which is most of what a call costs. The hub's address does not change: all that is done once.
    No cookie is kept, no redirect followed, and no .netrc can take the credential's place.
    """

    def __init__(
        self,
        hub: str,
        credential: Optional[str],
        context: ssl.SSLContext,
        connections: int,
        held: Optional[HeldSocket] = None,
    ) -> None:
        headers = {"User-Agent": f"nexomatic-agent/{VERSION}", "Accept": "application/json"}
        headers["Content-Type"] = "application/json"
        self._blank = requests.Request("POST", hub, headers).prepare()
        if credential is not None:
            self.use(credential)
        self._hub = str(self._blank.url).rstrip("/")
        self._proxies = _proxies(hub)
        self._adapter = _Adapter(connections, context, held or HeldSocket())

    def use(self, credential: str) -> None:
        """Send this credential with every further call."""
        self._blank.headers["Authorization"] = f"Bearer {credential}"

    def post(self, path: str, body: bytes, connect_seconds: float, read_seconds: float) -> requests.Response:
        """Post JSON; the answer, read to its end within so long and what the sizes of both allow.

        Raises requests.RequestException, OSError.
        """
        read_seconds += len(body) / SLOWEST_BYTES_PER_SECOND
        request = self._blank.copy()
        request.url = self._hub + path
        request.body = body
        request.headers["Content-Length"] = str(len(body))
        answer = self._adapter.send(request, timeout=(connect_seconds, read_seconds), proxies=self._proxies)
        _ = answer.content  # read now: until then nothing is known to have arrived
        return answer

    def get(
        self, path: str, headers: Mapping[str, str], most: int, connect_seconds: float, read_seconds: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Get bytes, at most so many: status, headers, and them. Of a longer answer nothing more is read.

        Raises requests.RequestException, urllib3's HTTPError, OSError.
        """
        request = self._blank.copy()
        request.method, request.url, request.body = "GET", self._hub + path, None
        for name in ("Content-Type", "Content-Length"):
            request.headers.pop(name, None)
        request.headers.update({"Accept-Encoding": "identity", **headers})
        answer = self._adapter.send(request, True, (connect_seconds, read_seconds), proxies=self._proxies)
        body: bytes = answer.raw.read(most + 1, decode_content=False)
        if len(body) > most:
            answer.close()  # with its connection: what is left of it is nothing to us
            raise ConnectionAbortedError("the answer is longer than what was asked for")
        answer.raw.read(1)  # its end, so that the connection can be used again
        answer.raw.release_conn()
        return answer.status_code, answer.headers, body

    def forget(self) -> None:
        """Make no further call on the connections that wait for one; those in use are not disturbed."""
        self._adapter.close()
