"""How calls leave the machine: through the proxy that its environment names, with nothing kept from earlier answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from nexomatic_agent.answers import Transient
from nexomatic_agent.client import Client
from nexomatic_agent.config import BadSettings, read_settings
from nexomatic_agent.identity import Identity
from nexomatic_agent.loopback import is_loopback
from nexomatic_agent.service import _identity
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

            def do_CONNECT(self) -> None:
                recorder.targets.append(self.path)
                self.send_error(502)

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
    monkeypatch.setenv("https_proxy", recorder.address)
    with pytest.raises(Transient):
        renew("https://hub.invalid")
    assert recorder.targets == ["hub.invalid:443"]


def test_a_hub_on_this_machine_is_never_reached_through_a_proxy(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The credential would be handed to the proxy, in clear."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    renew(recorder.address)
    assert recorder.targets == ["/agent/events/EVENT/renew"]


def test_a_name_of_this_machine_that_leads_elsewhere_is_told_nothing(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resolver may say of `localhost` what it likes. Here the far end's address is what it would be then."""
    monkeypatch.setattr("nexomatic_agent.transport.is_loopback", lambda _: False)
    with pytest.raises(Transient, match="led to another machine"):
        renew(recorder.address.replace("127.0.0.1", "localhost"))
    assert recorder.targets == []


@pytest.mark.parametrize(
    ("address", "is_this_machine"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.1", False),
        ("::ffff:192.0.2.1", False),
        ("fe80::1%eth0", False),
        ("::", False),
        ("", False),
    ],
)
def test_what_this_machine_is(address: str, is_this_machine: bool) -> None:
    assert is_loopback(address) == is_this_machine


def test_a_hub_below_a_path_keeps_it(recorder: Recorder) -> None:
    renew(f"{recorder.address}/nexomatic/")
    assert recorder.targets == ["/nexomatic/agent/events/EVENT/renew"]


def test_no_cookie_is_kept(recorder: Recorder) -> None:
    client = Client(recorder.address, "credential", trust(None))
    client.renew("EVENT", "token")
    client.renew("EVENT", "token")
    assert recorder.cookies == [None, None]


def test_an_identity_of_a_hub_that_is_reached_in_clear_is_not_used(tmp_path: Path) -> None:
    Identity("http://hub.example.org", "sink", "PYTHON:BASE", "credential").save(tmp_path)
    with pytest.raises(BadSettings, match="must begin with https://"):
        _identity(read_settings({"state": str(tmp_path)}, {}))
