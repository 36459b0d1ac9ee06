"""A hub on a real socket that answers as it is told, and checks the shape of all that agents say to it."""

from __future__ import annotations

import hashlib
import json
import re
import ssl
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Optional

from agent_testing.protocol_shapes import problems_with

DEADLINE_SECONDS = 15.0
"""A test that waits so long for something has failed."""


@dataclass(frozen=True)
class Call:
    """One request an agent made."""

    path: str
    said: dict[str, Any]
    authorization: Optional[str]
    size: int = 0
    """Of its body, in bytes."""


@dataclass(frozen=True)
class Answer:
    """What the hub answers to one request. `cut`: it closes the connection without a word."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False

    @staticmethod
    def problem(status: int, **members: Any) -> Answer:
        return Answer(status, {"title": "Refused", "status": status, **members}, {"Content-Type": PROBLEM})

    @staticmethod
    def lease_over(reason: str) -> Answer:
        return Answer.problem(409, reason=reason)

    @staticmethod
    def piece(content: bytes, first: int, count: int) -> Answer:
        """Of a bundle."""
        some = content[first : first + count]
        span = f"bytes {first}-{first + len(some) - 1}/{len(content)}"
        return Answer(206, some, {"Content-Type": "application/zip", "Content-Range": span})

    @staticmethod
    def page(status: int) -> Answer:
        """What a proxy says."""
        return Answer(status, b"<html>Bad gateway</html>", {"Content-Type": "text/html"})


PROBLEM = "application/problem+json"
Script = Callable[[Call], Optional[Answer]]


class FakeHub:
    """Hands out `tasks`, accepts everything, keeps every call. `script` may answer first, by kind of call:
    enroll, credential, poll, secrets, modules, renew, logs, result."""

    def __init__(self, tls: Optional[ssl.SSLContext] = None) -> None:
        self._tls = tls
        self.calls: list[Call] = []
        self.problems: list[str] = []
        self.tasks: deque[dict[str, Any]] = deque()
        self.cancels: deque[str] = deque()
        self.orders: deque[tuple[str, str]] = deque()
        """Commands with their ids, each given once, unless a test puts it there again."""
        self.secrets: dict[str, str] = {}
        """What there is, by name: a task is given what its parameters name."""
        self._given: dict[str, Mapping[str, Any]] = {}
        self.bundles: dict[str, bytes] = {}
        """By their digests."""
        self.script: dict[str, Script] = {}
        self.hold, self.pause = 0.2, 0.0
        self.lease_seconds = 30.0
        self.watched = False
        self.deadline_seconds = DEADLINE_SECONDS
        self.changed = threading.Condition()
        self._renewals = 0
        self._newest_poll: Optional[Call] = None
        """It takes the place of an older one."""
        self._port = 0
        self._usual: Mapping[str, Callable[[Call], Answer]] = {
            "enroll": self._enroll,
            "credential": self._credential,
            "poll": self._poll,
            "secrets": self._secrets,
            "renew": self._renew,
            "logs": self._logs,
            "result": self._result,
        }
        self._server: Optional[_Server] = None

    # --- its life

    def __enter__(self) -> FakeHub:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()
        if error is None:
            assert not self.problems, "\n".join(self.problems)

    def open(self) -> None:
        """Listen; after `close`, on the same port again."""
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                hub.serve(self)

            def do_GET(self) -> None:
                hub.serve_piece(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Tests speak for themselves."""

        self._server = _Server(self.problems, ("127.0.0.1", self._port), Handler)
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Go away: nothing listens any more, and open connections are cut."""
        if self._server is not None:
            server, self._server = self._server, None
            server.shutdown()
            server.server_close()
            server.cut_connections()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}" if self._tls is None else f"https://localhost:{self._port}"

    # --- what tests ask and say

    def give(self, **task: Any) -> dict[str, Any]:
        """Put a task where the next poll finds it."""
        made = a_task(lease_seconds=self.lease_seconds, **task)
        with self.changed:
            self._given[made["event_id"]] = made
            self.tasks.append(made)
            self.changed.notify_all()
        return made

    def cancel(self, event_id: str) -> None:
        with self.changed:
            self.cancels.append(event_id)
            self.changed.notify_all()

    def order(self, command: str, command_id: str) -> None:
        with self.changed:
            self.orders.append((command, command_id))
            self.changed.notify_all()

    def wait_for(self, found: Callable[[], Any], what: str) -> Any:
        """Wait until this is true of the calls so far."""
        with self.changed:
            if not self.changed.wait_for(found, self.deadline_seconds):
                raise AssertionError(f"no {what} in {[(call.path, call.said) for call in self.calls][-10:]}")
            return found()

    def of(self, kind: str, event_id: str = "") -> list[Call]:
        """Calls of this kind, about this event if one is named."""
        return [call for call in self.calls if call.path.endswith("/" + kind) and event_id in call.path]

    def wait_call(self, kind: str, event_id: str = "", number: int = 1) -> Call:
        """Wait for the nth call of this kind."""
        self.wait_for(lambda: len(self.of(kind, event_id)) >= number, f"{kind} {event_id} number {number}")
        return self.of(kind, event_id)[number - 1]

    def wait_result(self, task: Mapping[str, Any], number: int = 1) -> dict[str, Any]:
        return self.wait_call("result", task["event_id"], number).said

    def lines(self, task: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The task's log, put together from its chunks by number."""
        chunks = [call.said["chunk"] for call in self.of("logs", task["event_id"])]
        chunks += [chunk for call in self.of("result", task["event_id"]) for chunk in call.said["logs"]]
        numbered = {chunk["first"] + place: line for chunk in chunks for place, line in enumerate(chunk["lines"])}
        assert sorted(numbered) == list(range(1, len(numbered) + 1)), "the log has a gap"
        return [numbered[number] for number in sorted(numbered)]

    def texts(self, task: Mapping[str, Any], stream: str = "") -> list[str]:
        return [line["text"] for line in self.lines(task) if stream in ("", line["stream"])]

    # --- answering

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        length = int(request.headers["Content-Length"])
        body = request.rfile.read(length)
        if len(body) < length:  # the agent died, or was killed, between the head of its request and the body
            request.close_connection = True
            return
        call = Call(request.path, json.loads(body), request.headers.get("Authorization"), len(body))
        kind = request.path.rpartition("/")[2]
        with self.changed:
            self.calls.append(call)
            if kind == "poll":
                self._newest_poll = call
            self.problems += problems_with(kind, call.said)
            self.changed.notify_all()
        script, usual = self.script.get(kind), self._usual[kind]
        self._answer(request, (script(call) if script is not None else None) or usual(call))

    @staticmethod
    def _answer(request: BaseHTTPRequestHandler, answer: Answer) -> None:
        if answer.cut:
            request.close_connection = True
            return
        content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        request.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            request.send_header(name, value)
        if answer.status != 204:
            request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if answer.status != 204:
            request.wfile.write(content)

    def serve_piece(self, request: BaseHTTPRequestHandler) -> None:
        said = {"range": request.headers["Range"], "lease": request.headers["Nexomatic-Lease"]}
        call = Call(request.path.rpartition("/")[0], said, request.headers.get("Authorization"))
        with self.changed:
            self.calls.append(call)
            self.changed.notify_all()
        script = self.script.get("modules")
        answer = (script(call) if script is not None else None) or self._modules(request.path.rpartition("/")[2], said)
        self._answer(request, answer)

    def _modules(self, digest: str, said: Mapping[str, str]) -> Answer:
        if digest not in self.bundles:
            return Answer.problem(404, detail="the bundle was deleted")
        first, last = (int(each) for each in said["range"].partition("=")[2].split("-"))
        return Answer.piece(self.bundles[digest], first, last - first + 1)

    def give_bundle(self, content: bytes, **task: Any) -> dict[str, Any]:
        """A task whose module is in this bundle."""
        digest = hashlib.sha256(content).hexdigest()
        self.bundles.setdefault(digest, content)
        return self.give(**{"bundle": "tools@1", "bundle_digest": digest, "bundle_size": len(content), **task})

    def _enroll(self, call: Call) -> Answer:
        return Answer(201, body={"sink": call.said["name"], "sink_type": "PYTHON:BASE", "credential": "c" * 43})

    def _credential(self, _: Call) -> Answer:
        until = "2026-03-02T13:00:00Z"
        return Answer(body={"credential": "d" * 43, "valid_until": until, "rotate_after_seconds": 86400.0})

    def _poll(self, call: Call) -> Answer:
        steering = {"hold": self.hold, "pause": self.pause}
        with self.changed:
            self.changed.wait_for(lambda: self._news_for(call) or self._newest_poll is not call, self.hold)
            if self._newest_poll is not call or not self._news_for(call):
                return Answer(204, headers={"nexomatic-hold": str(self.hold), "nexomatic-pause": str(self.pause)})
            tasks = [self.tasks.popleft() for _ in range(min(call.said["slots"], len(self.tasks)))]
            commands = [{"command": "cancel", "event_id": self.cancels.popleft()} for _ in range(len(self.cancels))]
            orders = [self.orders.popleft() for _ in range(len(self.orders))]
            commands += [{"command": command, "id": command_id} for command, command_id in orders]
        return Answer(body={"tasks": tasks, "commands": commands, "settings": steering, "news": "ignored"})

    def _news_for(self, call: Call) -> bool:
        return bool(self.cancels or self.orders or (self.tasks and call.said["slots"]))

    def _secrets(self, call: Call) -> Answer:
        task = self._given[call.path.split("/")[3]]
        named = [each["secret"] for each in task["parameters"] if "secret" in each]
        if not set(named) <= self.secrets.keys():
            return Answer.problem(404, detail=f"there is no secret {sorted(set(named) - self.secrets.keys())[0]}")
        given = [{"name": name, "version": "1", "value": self.secrets[name]} for name in dict.fromkeys(named)]
        return Answer(body={"secrets": given})

    def _renew(self, _: Call) -> Answer:
        return Answer(body=self._lease())

    def _logs(self, _: Call) -> Answer:
        return Answer(body=self._lease())

    def _result(self, _: Call) -> Answer:
        return Answer(body={"recorded": True})

    def _lease(self) -> dict[str, Any]:
        with self.changed:
            self._renewals += 1
            token = f"renewed-{self._renewals}"
        return {"token": token, "lease_seconds": self.lease_seconds, "watched": self.watched}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, problems: list[str], *args: Any) -> None:
        self.problems = problems
        self._open: set[Any] = set()
        super().__init__(*args)

    def get_request(self) -> Any:
        request, address = super().get_request()
        self._open.add(request)
        return request, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's words
        """A client that went away in the middle is part of the tests; a mistake of this hub is not."""
        if not isinstance(sys.exc_info()[1], OSError):
            self.problems.append(traceback.format_exc())

    def cut_connections(self) -> None:
        for request in list(self._open):
            super().shutdown_request(request)


_NUMBERS = iter(range(1, 1_000_000))


def a_task(**given: Any) -> dict[str, Any]:
    """A task as the hub writes it, with an event id of its own."""
    event_id = f"01JD{time.time_ns():019d}{next(_NUMBERS):03d}"[-26:]
    assert re.fullmatch("[0-9A-Z]{26}", event_id)
    task = {
        "event_id": event_id,
        "event_type": "DISK_CLEANUP",
        "attempt": 1,
        "token": "lease-token",
        "lease_seconds": 30.0,
        "confirm": False,
        "action": "cleanup",
        "runtime": "python",
        "module": "sample:echo",
        "bundle": None,
        "bundle_digest": None,
        "bundle_size": None,
        "bundle_signature": None,
        "payload": {"host": {"name": "alpha"}},
        "parameters": [],
        "timeout_seconds": 300,
        "warning_codes": [],
        "created_at": "2026-11-23T22:59:00Z",
        "source": "hook",
        "parent_id": None,
        "root_id": event_id,
        "traceparent": None,
        "correlation_id": None,
    }
    unknown = given.keys() - task.keys()
    assert not unknown, unknown
    return {**task, **given}
