"""How calls leave the machine: through the proxy that its environment names, with nothing kept from earlier answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from nexomatic_agent.client import Client
from nexomatic_agent.trust import trust

ANSWER = b'{"token": "t", "lease_seconds": 30, "watched": false}'


class Recorder:
    """A server, or a proxy, that keeps the targets and headers of what it is asked."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.cookies: list[object] = []
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                recorder.targets.append(self.path)
                recorder.cookies.append(self.headers["Cookie"])
                self.send_response(200)
                self.send_header("Content-Length", str(len(ANSWER)))
                self.send_header("Set-Cookie", "session=1; Path=/")
                self.end_headers()
                self.wfile.write(ANSWER)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Tests speak for themselves."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    yield made
    made.close()


def renew(hub: str) -> None:
    Client(hub, "credential", trust(None)).renew("EVENT", "token")


def test_the_proxy_of_the_environment_is_used(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", recorder.address)
    renew("http://hub.invalid")
    assert recorder.targets == ["http://hub.invalid/agent/events/EVENT/renew"]


def test_no_proxy_is_used_for_a_hub_that_the_environment_excepts(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    renew(recorder.address)
    assert recorder.targets == ["/agent/events/EVENT/renew"]


def test_a_hub_below_a_path_keeps_it(recorder: Recorder) -> None:
    renew(f"{recorder.address}/nexomatic/")
    assert recorder.targets == ["/nexomatic/agent/events/EVENT/renew"]


def test_no_cookie_is_kept(recorder: Recorder) -> None:
    client = Client(recorder.address, "credential", trust(None))
    client.renew("EVENT", "token")
    client.renew("EVENT", "token")
    assert recorder.cookies == [None, None]
