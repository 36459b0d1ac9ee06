"""`/admin`: what the host says about itself, and runs by hand. All of it but the ping needs the master key."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hosting.answers import Answer, plain_answer
from hosting.eventgrid import decode_event
from hosting.hostjson import HostJson
from hosting.indexing import EVENT_GRID, HTTP, QUEUE, TIMER, IndexedFunction
from hosting.invocations import Invocations
from hosting.queue_messages import decode_message
from hosting.timers import Timer

VERSION = "4.1037.0"  # of the Functions host whose behaviour this one follows
_JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Call:
    """What an endpoint needs to know of a request: body, the host's own address, monotonic seconds."""

    body: bytes
    base: str
    now: float


@dataclass(frozen=True, slots=True)
class Action:
    """What an endpoint does, and whether it needs no key."""

    run: Callable[[Call], Answer]
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Admin:
    """The host's own endpoints; `functions` and `timers` by lower-case name, `errors` by the function's name."""

    host_id: str
    instance_id: str
    host_json: HostJson
    functions: Mapping[str, IndexedFunction]
    timers: Mapping[str, Timer]
    errors: Mapping[str, str]
    invocations: Invocations
    started_at: float  # monotonic seconds

    def find(self, method: str, path: str) -> Action | None:
        """What answers `/admin/<path>`, and whether anybody may ask; None if the host has nothing there."""
        match path.strip("/").lower().split("/"):
            case ["host", "ping"] if method in ("GET", "POST"):
                return Action(lambda _: plain_answer(200), is_open=True)
            case ["host", "status"] if method == "GET":
                return Action(lambda call: _json(self._status(call.now)))
            case ["functions"] if method == "GET":
                return Action(lambda call: _json([self._describe(each, call.base) for each in self.functions.values()]))
            case ["functions", name] if method == "GET":
                return Action(lambda call: self._one(name, call.base))
            case ["functions", name] if method == "POST":
                return Action(lambda call: self._run(self.functions.get(name), call.body))
            case ["functions", name, "status"] if method == "GET":
                return Action(lambda _: self._errors(name))
        return None

    def _status(self, now: float) -> dict[str, Any]:
        status = {
            "id": self.host_id,
            "state": "Running",
            "version": VERSION,
            "versionDetails": f"{VERSION} (local)",
            "instanceId": self.instance_id,
            "computerName": socket.gethostname(),
            "processUptime": int((now - self.started_at) * 1000),
            "functionAppContentEditingState": "NotAllowed",
            "extensionBundle": self.host_json.bundle,
            "errors": [f"The '{name}' function is in error: {error}" for name, error in self.errors.items()] or None,
        }
        return {name: value for name, value in status.items() if value is not None}

    def _one(self, name: str, base: str) -> Answer:
        function = self.functions.get(name)
        return _json(self._describe(function, base)) if function else plain_answer(404)

    def _errors(self, name: str) -> Answer:
        function = self.functions.get(name)
        if function is None:
            return plain_answer(404)
        error = self.errors.get(function.name)
        return _json({"errors": [error]} if error else {})

    def _describe(self, function: IndexedFunction, base: str) -> dict[str, Any]:
        return {
            "name": function.name,
            "href": f"{base}/admin/functions/{function.name}",
            "language": "python",
            "config": {"name": function.name, "bindings": [json.loads(each) for each in function.raw_bindings]},
            "isDisabled": function.disabled,
        }

    def _run(self, function: IndexedFunction | None, body: bytes) -> Answer:
        """Run in the background: 202 at once, the outcome is in the log alone."""
        try:
            request = json.loads(body)
            text = request.get("input") or ""
        except (ValueError, AttributeError):
            return plain_answer(400)
        if function is None:
            return plain_answer(404)
        if function.kind == HTTP:
            return plain_answer(400, "an HTTP function is run by calling its address")
        try:
            trigger = self._trigger(function, text if isinstance(text, str) else json.dumps(text))
        except (ValueError, TypeError, AttributeError) as error:
            return plain_answer(400, f"the input does not fit {function.kind}: {error}")
        self.invocations.start(function, trigger)
        return plain_answer(202)

    def _trigger(self, function: IndexedFunction, text: str) -> object:
        if function.kind == TIMER:
            return self.timers[function.name.lower()].request()
        if function.kind == QUEUE:
            return decode_message(function, text.encode(), None)
        assert function.kind == EVENT_GRID
        return decode_event(function, text)


def _json(content: Any) -> Answer:
    return plain_answer(200, json.dumps(content), _JSON)
