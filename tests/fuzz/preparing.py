"""A hub's configuration for being fuzzed, made through its API, and what a caller may know of it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final

from tests.fuzz.drawing import Known
from tests.fuzz.senders import SECRET, SENDERS

USER: Final = "fuzzy"
FIRST, PASSWORD = "a first password of fuzzy", "another password of fuzzy"
HELD: Final = 12
Ask = Callable[[str, str, Any, str | None], Awaitable[Any] | Any]
"""Method, path, document and bearer (None: nobody, "": an admin); answers the document, or raises."""


async def prepared(ask: Ask) -> Known:
    """Webhooks with every preset, sinks, events that run, a user."""

    async def call(method: str, path: str, document: Any = None, bearer: str | None = "") -> Any:
        answer = ask(method, path, document, bearer)
        return await answer if inspect.isawaitable(answer) else answer

    await call("PUT", "/api/secrets/fuzz", {"value": SECRET, "description": ""})
    await call("PUT", "/api/configuration", _configuration())
    keys = {name: (await call("GET", f"/api/sources/{name}"))["url"].rpartition("/")[2] for name in SENDERS}
    credentials = []
    enrolment = (await call("POST", "/api/enrolments", {"sink_type": "FUZZ", "uses": 4}))["token"]
    for index in range(2):
        said = {"token": enrolment, "name": f"box-{index}", "version": "1"}
        credentials.append((await call("POST", "/agent/enroll", said, None))["credential"])
    for _ in range(HELD):
        await call("POST", "/api/events", {"event_type": "HELD", "payload": {}})
    leases: list[tuple[str, str]] = []
    while len(leases) < HELD:
        poll = {"slots": HELD, "version": "1", "instance": "instance-of-fuzz"}
        tasks = (await call("POST", "/agent/poll", poll, credentials[0]))["tasks"]
        leases += [(each["event_id"], each["token"]) for each in tasks]
    accepted = await call("POST", f"/hooks/{keys['none']}", {"a": 1}, None)
    status = accepted["status_url"]
    await call("POST", "/api/users", {"name": USER, "role": "VIEWER", "password": FIRST})
    return Known(keys, credentials, enrolment, status[status.index("/hooks/") :], leases, USER, FIRST)


def _configuration() -> dict[str, Any]:
    sources: list[dict[str, Any]] = [
        {
            "name": name,
            "kind": "WEBHOOK",
            "event_types": ["GO"],
            "methods": ["POST", "PUT"],
            "verify": dict(each.verify),
        }
        for name, each in SENDERS.items()
    ]
    sources[0] |= {"dedupe": {"path": 'body.id || headers."x-request-id"'}}
    sources[1] |= {"dedupe": {"header": "x-request-id"}, "max_body": 2000}
    sources.append({"name": "grid", "kind": "EVENTGRID", "event_types": ["GO"], "types": ["Fuzz"]})
    parameters = [{"name": "p", "type": "SECRET", "value": "fuzz"}]
    return {
        "sink_types": [{"name": "FUZZ"}, {"name": "NOBODY"}],
        "actions": [{"name": "a", "runtime": "python", "module": "m:f", "parameters": parameters}],
        "event_types": [
            # Nobody runs these: what is let in stays and is counted, not given out.
            {"name": "GO", "sink_type": "NOBODY", "action": "a", "filter": "body.go != `false`"},
            {"name": "HELD", "sink_type": "FUZZ", "action": "a", "timeout_seconds": 86400},
        ],
        "sources": sources,
    }
