"""Requests to webhooks, agents' calls, sign-in, the status address and Event Grid: right, nearly right, and nonsense.

Each kind begins with a request that would be let in and then spoils some of it, so that all stages are reached: a
request that is wrong everywhere is refused by the first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode

from tests.fuzz.nonsense import METHODS, Draw
from tests.fuzz.senders import SENDERS

GRID_PATH: Final = "/runtime/webhooks/eventgrid"
_ID: Final = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
_INSTANCES: Final = ("instance-of-fuzz", "instance-of-more")


@dataclass(frozen=True, slots=True)
class Sent:
    """One request. Header names in lower case."""

    kind: str
    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(slots=True)
class Known:
    """What a caller may know of the hub that is asked."""

    keys: Mapping[str, str]
    """Of webhooks, by the name of the sender."""
    credentials: Sequence[str]
    """Of sinks."""
    enrolment: str
    status: str
    """A status address that is good, with its query."""
    leases: Sequence[tuple[str, str]]
    """Events that run, with their tokens."""
    user: str
    password: str


def requests_of(draw: Draw, known: Known, at: Callable[[], int]) -> Sent:
    """The next request; `at` tells the hub's time in seconds."""
    kind = draw.choices(tuple(_KINDS), weights=[weight for weight, _ in _KINDS.values()])[0]
    return _KINDS[kind][1](draw, known, at)


def _webhook(draw: Draw, known: Known, at: Callable[[], int]) -> Sent:
    name = draw.choice(tuple(SENDERS))
    sender, body, headers = SENDERS[name], draw.body(), {}
    if draw.often(0.8):
        headers = sender.prove(body, at() + draw.choice((0, 0, 0, 0, 299, -301, 10**12)))
    query = dict(sender.query or {})
    if draw.often(0.3):
        query[draw.choice(("wait", "code", "gate", draw.text()))] = draw.choice(("0.01", "0", "-1", "101", draw.text()))
    headers |= {"content-type": draw.choice(_CONTENT_TYPES)} if draw.often(0.8) else {}
    key = known.keys[name] if draw.often(0.95) else draw.text()
    method = draw.choice(("POST", "POST", "POST", "PUT"))
    return _spoiled(draw, "webhook", method, f"/hooks/{_part(key)}", query, headers, body)


def _agent(draw: Draw, known: Known, _at: Callable[[], int]) -> Sent:
    credential = draw.choice(known.credentials) if draw.often(0.3) else known.credentials[0]
    call = draw.choice(("enroll", "credential", "poll", "poll", "secrets", "renew", "logs", "logs", "result", "result"))
    event_id, token = draw.choice(known.leases)
    token = draw.spoiled(token) if draw.often(0.25) else token
    document = _DOCUMENTS[call](draw, known, token)
    event_id = event_id if draw.often(0.8) else draw.choice((draw.text(), _ID))
    path = f"/agent/{call}" if call in ("enroll", "credential", "poll") else f"/agent/events/{_part(event_id)}/{call}"
    body = draw.json(draw.mutated(document))
    return _spoiled(draw, f"agent {call}", "POST", path, {}, {"authorization": f"Bearer {credential}"}, body)


def _sign_in(draw: Draw, known: Known, _at: Callable[[], int]) -> Sent:
    headers = {"origin": draw.choice(("https://hub.example.com", "null", draw.text()))} if draw.often(0.3) else {}
    if draw.often(0.3):
        headers["cookie"] = f"__Host-nexomatic-session={draw.text()}; nexomatic-device={draw.text()}"
    if draw.often(0.2):
        path, query = draw.choice(("/api/session/oidc", "/api/session/oidc/callback")), {}
        for name in ("code", "state", "error", "next", draw.text()):
            if draw.often(0.6):
                query[name] = draw.text()
        return _spoiled(draw, "oidc", "GET", path, query, headers, b"")
    if draw.often(0.2):
        asked = {"port": draw.choice(("2000", draw.text())), "challenge": draw.choice(("x" * 43, draw.text())),
                 "name": draw.choice(("box", draw.text()))}  # fmt: skip
        if draw.often(0.3):
            return _spoiled(draw, "nexo page", "GET", "/api/session/nexo", asked, headers, b"")
        if draw.often(0.5):
            form = urlencode({**asked, "answer": "allow", "csrf_token": draw.text()}, errors="replace").encode()
            return _spoiled(draw, "nexo answer", "POST", "/api/session/nexo/answer", {}, headers, form)
        body = draw.json(draw.mutated({"code": draw.text(), "verifier": draw.choice(("x" * 43, draw.text()))}))
        return _spoiled(draw, "nexo code", "POST", "/api/session/nexo", {}, headers, body)
    if draw.often(0.2):
        body = draw.json(draw.mutated({"invitation": draw.text(), "password": draw.text()}))
        return _spoiled(draw, "invitation", "POST", "/api/session/invitation", {}, headers, body)
    # The right name with the right password alone: who guesses at a name has to wait.
    user, password = known.user, known.password
    if draw.often(0.8):
        user, password = draw.text(), draw.text()
    body = draw.json(draw.mutated({"user": user, "password": password}))
    return _spoiled(draw, "sign-in", "POST", "/api/session", {}, headers, body)


def _status(draw: Draw, known: Known, _at: Callable[[], int]) -> Sent:
    path, _, token = known.status.partition("?t=")
    path = path if draw.often(0.6) else f"/hooks/status/{_part(draw.text())}"
    return _spoiled(draw, "status", "GET", path, {"t": draw.spoiled(token)}, {}, b"")


def _grid(draw: Draw, _known: Known, _at: Callable[[], int]) -> Sent:
    """As Event Grid delivers: always a JSON object or a list of them, since the host refuses what is none."""
    own = {"id": draw.text(), "topic": "/t", "subject": draw.text(), "eventType": draw.choice(("Fuzz", draw.text())),
           "eventTime": draw.text(), "dataVersion": "1", "data": draw.value()}  # fmt: skip
    cloud = {"specversion": "1.0", "id": draw.text(), "source": draw.text(), "type": "Fuzz", "data": draw.value()}
    event = draw.mutated(draw.choice((own, cloud)))
    body = json.dumps([event] if draw.often(0.5) else event).encode()
    target = f"{GRID_PATH}?functionName=eventgrid"
    return Sent("event grid", "POST", target, {"aeg-event-type": "Notification"}, body)


def _spoiled(
    draw: Draw, kind: str, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
) -> Sent:
    """The request, with something of its outside changed now and then."""
    changed = dict(headers)
    if draw.often(0.15) and changed:
        name = draw.choice(tuple(changed))
        changed[name] = draw.spoiled(changed[name])
    if draw.often(0.15):
        changed[draw.choice(_HEADERS)] = draw.text()
    if draw.often(0.03):
        method = draw.choice(METHODS)
    if draw.often(0.03):
        path += draw.choice(("/", "//", "/..", "/%2e%2e/", "?", f"/{_part(draw.text())}"))
    sent = {name: _sendable(value) for name, value in changed.items() if name}
    text = urlencode(query, errors="surrogatepass")
    return Sent(kind, method, f"{path}?{text}" if text else path, sent, body)


def _part(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")


def _sendable(value: str) -> str:
    """Without what no web server lets through: it would look at the server alone."""
    text = value.encode(errors="replace").decode("latin-1")
    return "".join(each for each in text if each == "\t" or (each >= " " and each != "\x7f")).strip()[:7000]


def _poll(draw: Draw, _known: Known, _token: str) -> Mapping[str, Any]:
    runs = [draw.text() for _ in range(draw.randrange(3))]
    capable = {"platform": "linux", "runtimes": ["python"], "modules": [draw.text()]}
    # Without a slot: what waits is left for those who hold the leases that the others spoil.
    return {"slots": 0, "version": "1", "instance": draw.choice(_INSTANCES), "running": runs, "capabilities": capable}


def _logs(draw: Draw, _known: Known, token: str) -> Mapping[str, Any]:
    line = {"time": "2026-01-01T00:00:00Z", "stream": "stdout", "level": "INFO", "text": draw.text()}
    chunk = {
        "first": draw.choice((1, 2, 10**8)),
        "lines": [draw.mutated(line) if draw.often(0.3) else line for _ in range(draw.randint(1, 3))],
    }
    return {"token": token, "chunk": draw.mutated(chunk) if draw.often(0.3) else chunk, "renew": draw.often(0.5)}


def _result(draw: Draw, _known: Known, token: str) -> Mapping[str, Any]:
    state = draw.choice(("SUCCESS", "WARNING", "ERROR", "RETURNED", draw.text()))
    # Seldom quite right: an event ends once, and then nothing more is found out with it.
    spoil: dict[str, Any] = (
        {} if draw.often(0.02) else {draw.choice(("state", "started", "logs", "code")): draw.choice((7, [1], {}))}
    )
    return {"token": token, "state": state, "code": draw.text(), "message": draw.text(), "data": draw.value(), **spoil}


_DOCUMENTS: Final[Mapping[str, Callable[[Draw, Known, str], Mapping[str, Any]]]] = {
    "enroll": lambda draw, known, _: {
        "token": draw.spoiled(known.enrolment),
        "name": draw.choice(("box-1", "box-2", draw.text())),
        "version": "1",
        "nonce": draw.text() * 4,
        "seal_to": draw.text(),
    },
    "credential": lambda draw, _known, _token: {"nonce": draw.text()},
    "poll": _poll,
    "secrets": lambda _draw, _known, token: {"token": token},
    "renew": lambda _draw, _known, token: {"token": token},
    "logs": _logs,
    "result": _result,
}
_CONTENT_TYPES: Final = (
    "application/json", "application/json; charset=utf-16", "application/cloudevents+json", "text/plain",
    "text/plain; charset=idna", "text/plain; charset=\"", "application/x-www-form-urlencoded", "multipart/form-data",
    "application/octet-stream", "text/html; charset=punycode", "", ";", "text/plain; charset=rot13",
    "a/b; charset*=x'y'z", "text/plain; charset=undefined", "text/plain; charset=base64",
    "text/plain; charset=unicode_escape",
)  # fmt: skip
_HEADERS: Final = (
    "authorization", "content-type", "content-encoding", "cookie", "x-forwarded-for", "x-csrf-token", "origin",
    "x-request-id", "x-correlation-id", "traceparent", "idempotency-key", "if-match", "user-agent", "ce-id", "ce-time",
    "x-ms-client-principal", "x-functions-key", "x-original-url", "x-http-method-override", "forwarded", "webhook-id",
)  # fmt: skip
_KINDS: Final[Mapping[str, tuple[float, Callable[[Draw, Known, Callable[[], int]], Sent]]]] = {
    "webhook": (5, _webhook),
    "agent": (5, _agent),
    "sign-in": (2, _sign_in),
    "status": (1, _status),
    "event grid": (2, _grid),
}
