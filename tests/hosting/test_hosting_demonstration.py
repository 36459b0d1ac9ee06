"""The delivery that `make run` shows: whatever becomes of it, the platform starts."""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any

import pytest
import requests

from hosting.demonstration import demonstrate
from hosting.errors import HostingError
from hosting.hub_client import HubClient, Refused
from hosting.ports import LOCAL, ReservedPort

EVENT = {
    "id": "01E",
    "event_type": "RELEASE_NOTE",
    "sink": "local",
    "state": "SUCCESS",
    "result_message": None,
    "result_data": {"branch": "main", "note": "# one\ntwo"},
    "finished_at": "2026-11-25T12:00:00Z",
    "follow_on": None,
}


class Told(HubClient):
    """A hub's answers, by the beginning of an address."""

    def __init__(self, waiting: int = 0, webhook: object = None, fired: object = None) -> None:
        super().__init__("http://127.0.0.1:1", "token")
        self._waiting = waiting
        self._webhook = {"url": "http://127.0.0.1:1/hooks/x"} if webhook is None else webhook
        self._fired = fired or {"event_id": "01E", "events": []}

    def get(self, path: str) -> Any:
        if path.startswith("/api/events?"):
            return {"items": [EVENT] * self._waiting}
        return self._webhook if path.startswith("/api/sources/") else EVENT

    def deliver(self, webhook: str, body: bytes, headers: dict[str, str]) -> Any:
        if isinstance(self._fired, Exception):
            raise self._fired
        return self._fired


def test_it_says_what_became_of_the_delivery() -> None:
    said = demonstrate(Told())
    assert 'event     01E RELEASE_NOTE on local: SUCCESS {"branch": "main"}' in said
    assert "  | # one\n  | two\n" in said


def test_behind_others_it_is_not_waited_for() -> None:
    assert "01E waits its turn" in demonstrate(Told(waiting=1))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (Told(webhook={}), "there is no webhook github-push any more"),
        (Told(fired=Refused("410 This address has been switched off")), "did not go through: 410 This address"),
        (Told(fired=requests.ConnectionError("refused")), "did not go through: refused"),
        (
            Told(fired={"event_id": None, "events": [{"event_type": "RELEASE_NOTE", "reason": "it is disabled"}]}),
            "RELEASE_NOTE was not fired: it is disabled",
        ),
    ],
)
def test_what_was_changed_or_fails_is_said_and_stops_nothing(told: Told, words: str) -> None:
    assert words in demonstrate(told)


class _Answering(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"finished_at": "now"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_a_hub_that_is_away_is_asked_again() -> None:
    with ReservedPort() as reserved:
        client = HubClient(f"http://{LOCAL}:{reserved.number}", "token")
        with pytest.raises(HostingError, match="Connection refused"):
            client.wait("/x", bool, 0.1)
        servers: list[http.server.HTTPServer] = []

        def come_back() -> None:
            servers.append(http.server.HTTPServer((LOCAL, reserved.number), _Answering))
            servers[0].handle_request()
            servers[0].server_close()

        timer = threading.Timer(0.2, come_back)
        timer.start()
        assert client.wait("/x", lambda document: document["finished_at"] == "now", 30)
        timer.join()
