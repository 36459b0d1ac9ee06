"""A real hub's log, at its most talkative, holds nothing of what callers send, and not a line that one of them wrote.

Strings are planted in every part of every kind of request, let in, refused, broken, and met by bugs that quote what
they were called with; then every line that the process wrote is looked at.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import requests

from hosting.hub_client import address
from tests.e2e.faulty_host import MARK
from tests.size.hub_process import TOKEN, HubProcess

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

LINE: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR|CRITICAL) +[\w.#-]+ [^\x00-\x1f\x7f-\x9f]*"
)
PLACES: Final = ("path", "query", "header", "cookie", "bearer", "body", "name", "secret", "text")
FORGED: Final = "2026-01-01T00:00:00.000Z ERROR hub forged"


def canary(place: str) -> str:
    return f"canary-{place}-7b1f"


def nasty(place: str) -> str:
    """One that would write a line of its own."""
    return f"{canary(place)}\r\n{FORGED}\x1b[2J\u2028"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    environ = {
        "PYTHON_ENABLE_DEBUG_LOGGING": "1",
        "AzureFunctionsJobHost__logging__logLevel__default": "Debug",
        "PYTHONASYNCIODEBUG": "1",
        "PYTHONUNBUFFERED": "1",
    }
    with HubProcess(tmp_path, environ, program="tests.e2e.faulty_host") as started:
        yield started


def test_nothing_that_callers_send_is_in_the_log(hub: HubProcess) -> None:
    kept = [TOKEN]
    key, credential = prepare(hub)
    kept += [key, credential]
    statuses = [*ordinary(hub, key, credential), *sign_ins(hub), *grid(hub), *exploding(hub, key)]
    assert {each // 100 for each in statuses} == {2, 4, 5}, "some were let in, some refused, some met a bug"
    malformed(hub)
    time.sleep(1)  # what nobody waited for is noticed at the next turn of the loop
    hub.stop()
    log = (hub.home / "hub.log").read_text(errors="surrogateescape")
    lines = log.removesuffix("\n").split("\n")
    assert [each for each in lines if not LINE.fullmatch(each)] == []
    assert FORGED not in re.sub(r"^\S+ \w+ +", "", log, flags=re.MULTILINE)
    for place in PLACES:
        assert [each for each in lines if canary(place) in each] == [], place
    for secret in kept:
        assert [each for each in lines if secret in each] == []
    for said in ("webhook failed | RuntimeError (at ", "caused by ValueError", "because of ConnectionError",
                 "never retrieved", "could not ask", "eventgrid failed"):  # fmt: skip
        assert any(said in each for each in lines), said


def prepare(hub: HubProcess) -> tuple[str, str]:
    """A webhook and a sink: its key, its credential."""
    client = hub.client
    client.put(
        "/api/configuration",
        {
            "sink_types": [{"name": "P"}],
            "actions": [{"name": "a", "runtime": "python", "module": "m:f"}],
            "event_types": [{"name": "GO", "sink_type": "P", "action": "a"}],
            "sources": [{"name": "hook", "kind": "WEBHOOK", "event_types": ["GO"]}],
        },
    )
    url = client.get(address("sources", "hook"))["url"]
    enrolment = client.post("/api/enrolments", {"sink_type": "P"})
    enrolled = client.post("/agent/enroll", {"token": enrolment["token"], "name": "box", "version": "1"})
    return url.rpartition("/")[2], enrolled["credential"]


def ordinary(hub: HubProcess, key: str, credential: str) -> Iterator[int]:
    """Each kind of endpoint, rightly and wrongly, with something planted in each place."""
    query = {"q": nasty("query"), canary("name"): "1"}
    headers = {"X-Planted": canary("header"), "User-Agent": canary("header"), "X-Request-Id": canary("header")}
    cookies = {"Cookie": f"nexomatic-session={canary('cookie')}; other={canary('cookie')}"}
    bearer = {"Authorization": f"Bearer nxt_{canary('bearer')}"}
    admin, sink = {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": f"Bearer {credential}"}
    body: dict[str, Any] = {"text": nasty("body"), canary("name"): nasty("text")}
    for method, path, said, content in (
        ("POST", f"/hooks/{key}", {}, body),
        ("POST", f"/hooks/{key}", {}, canary("body")),
        ("POST", f"/hooks/{key}?code={canary('query')}", {"Content-Encoding": canary("header")}, body),
        ("PUT", f"/hooks/{key}", {"Content-Type": "text/plain; charset=" + canary("header")}, body),
        ("POST", f"/hooks/{canary('path')}", bearer, body),
        ("GET", f"/hooks/status/{canary('path')}?t={canary('query')}", {}, None),
        ("POST", "/agent/enroll", {}, {"token": f"nxe_{canary('secret')}", "name": canary("name"), "version": "1"}),
        ("POST", "/agent/poll", sink, {"slots": 0, "version": nasty("text"), "instance": canary("text")}),
        ("POST", "/agent/poll", bearer, body),
        ("POST", f"/agent/events/{canary('path')}/result", sink, {"token": canary("secret"), **body}),
        ("POST", "/agent/events/01ARZ3NDEKTSV4RRFFQ69G5FAV/logs", sink, {"token": canary("secret"), **body}),
        ("POST", "/agent/events/01ARZ3NDEKTSV4RRFFQ69G5FAV/renew", sink, {"token": canary("secret")}),
        ("GET", f"/api/events?search={canary('query')}&cursor={canary('query')}", admin, None),
        ("GET", f"/api/{canary('path')}%0d%0a{FORGED}", bearer, None),
        ("GET", "/api/session", cookies, None),
        ("GET", f"/api/session/nexo?port=2000&challenge={canary('query')}&name={canary('query')}", cookies, None),
        ("POST", "/api/session/nexo/answer", cookies, canary("body")),
        ("POST", "/api/session/nexo", {}, {"code": canary("secret"), "verifier": f"{canary('secret'):x<43}"}),
        ("PUT", "/api/secrets/planted", admin, {"value": canary("secret"), "description": "planted"}),
        ("PUT", f"/api/secrets/{canary('path')}_", admin, {"value": canary("secret")}),
        ("PUT", f"/api/sources/{canary('path')}", admin, body),
        ("POST", "/api/events", admin, {"event_type": canary("text"), "payload": body}),
        ("POST", "/api/events", admin, {"event_type": "GO", "payload": body}),
        ("POST", f"/{canary('path')}", admin, body),
    ):
        answer = requests.request(
            method,
            hub.url + path,
            params=query if method == "PUT" else None,
            headers={**headers, **cookies, **said},
            data=None if content is None else json.dumps(content).encode(),
            timeout=60,
        )
        yield answer.status_code


def sign_ins(hub: HubProcess) -> Iterator[int]:
    for body in (
        {"user": canary("name"), "password": canary("secret")},
        {"user": [canary("name")], "password": nasty("secret")},
        {"user": MARK, "password": canary("secret")},
        {"invitation": canary("secret"), "password": canary("secret")},
    ):
        path = "/api/session/invitation" if "invitation" in body else "/api/session"
        yield requests.post(hub.url + path, json=body, timeout=60).status_code


def grid(hub: HubProcess) -> Iterator[int]:
    """Deliveries of Event Grid; the type of an event that no source hears is said, and nothing else of it."""
    event = {"id": canary("secret"), "subject": nasty("text"), "topic": "t", "eventType": "Planted\nType",
             "eventTime": "2026-01-01T00:00:00Z", "dataVersion": "1", "data": {"x": nasty("body")}}  # fmt: skip
    headers = {"aeg-event-type": "Notification", "X-Planted": canary("header")}
    url = f"{hub.url}/runtime/webhooks/eventgrid?functionName=eventgrid&code={canary('query')}"
    exploding = {**event, "data": MARK + canary("body")}
    for content in (json.dumps([event]), json.dumps([exploding]), canary("body"), f'["{canary("body")}"]', "{}"):
        answer = requests.post(url, data=content, headers=headers, timeout=60)
        assert "canary" not in answer.text
        yield answer.status_code


def exploding(hub: HubProcess, key: str) -> Iterator[int]:
    """Bugs that quote what they were called with."""
    planted = {"X-Request-Id": canary("header"), "Cookie": canary("cookie")}
    for path, headers, body in (
        (f"/hooks/{key}?q={canary('query')}", planted, {MARK: nasty("body")}),
        ("/agent/poll", {"Authorization": f"Bearer {MARK}{canary('bearer')}"}, {"x": canary("body")}),
        ("/api/events", {"Authorization": f"Bearer {MARK}{canary('bearer')}"}, {"x": canary("body")}),
    ):
        answer = requests.post(hub.url + path, json=body, headers=headers, timeout=60)
        assert answer.json()["type"] == "urn:nexomatic:problem:internal"
        assert "canary" not in answer.text
        assert "Traceback" not in answer.text
        assert "RuntimeError" not in answer.text
        yield answer.status_code


def malformed(hub: HubProcess) -> None:
    """What the web server itself refuses."""
    for raw in (
        f"{canary('text')} nonsense\r\n\r\n",
        f"GET /{canary('path')} HTTP/9.9\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: x\r\n{canary('header')}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: x\r\nX: {canary('header')}\x00\r\n\r\n",
        f"POST /api/session HTTP/1.1\r\nHost: x\r\nContent-Length: {canary('header')}\r\n\r\n{canary('body')}",
        f"GET /{canary('path')} HTTP/1.1\r\nHost: x\r\n" + "".join(
            f"X-{index}: {canary('header')}\r\n" for index in range(2000)
        ) + "\r\n",
        f"POST /hooks/{canary('path')} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ{canary('body')}\r\n",
    ):  # fmt: skip
        with socket.create_connection(("127.0.0.1", hub.port), timeout=30) as connection:
            connection.sendall(raw.encode())
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
        assert b"canary" not in answer, answer
        assert b"Traceback" not in answer
