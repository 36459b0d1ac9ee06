"""The calls to the hub, one method each: what is said and heard, nothing about when or how often."""

from __future__ import annotations

import json
import re
import ssl
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable, Optional

from urllib3.exceptions import HTTPError

from nexomatic_agent.answers import HOLD_HEADER, Steering, Transient, read_answer, read_steering
from nexomatic_agent.happenings import Renewed
from nexomatic_agent.intents import TaskResult
from nexomatic_agent.slim_requests import requests
from nexomatic_agent.transport import HeldSocket, Line
from nexomatic_agent.unsealing import is_release
from nexomatic_agent.version import VERSION

CONNECT_SECONDS = 5.0
CALL_SECONDS = 20.0
"""A call that is not held is answered in a second or two; the hub itself gives up on its storage before this."""
LEASE_HEADER = "Nexomatic-Lease"
_SPAN = re.compile(r"bytes ([0-9]{1,12})-([0-9]{1,12})/([0-9]{1,12})\Z")
HOLD_MARGIN_SECONDS = 15.0
"""A held poll is answered so much later than its hold at most."""


def patience(lease_seconds: float) -> float:
    """How long the answer to a call under a lease is waited for.

    A call that stalls must leave time for another before the event can be given away. The first is made when a third
    of the lease is over; an event changes hands when the lease, a margin and one third more are.
    """
    return min(CALL_SECONDS, lease_seconds * 2 / 3)


@dataclass(frozen=True)
class PollAnswer:
    """Tasks as the hub wrote them, ids of cancelled events, how often to come, and commands with their ids."""

    tasks: Sequence[Any]
    cancelled: Sequence[str]
    steering: Steering
    commands: Sequence[tuple[str, str]] = ()


class Client:
    """Speaks to one hub under one credential. No call is repeated here.

    Every method raises Transient, Refused or Unauthorised; those about a lease LeaseOver too. Methods may be called
    from several threads.
    """

    def __init__(self, hub: str, credential: Optional[str], context: ssl.SSLContext, connections: int = 1) -> None:
        """`connections` for calls other than polls, which have one of their own."""
        self._held = HeldSocket()
        self._calls = Line(hub, credential, context, connections)
        self._polls = Line(hub, credential, context, 1, self._held)

    def enrol(self, token: str, name: str, nonce: str, seal_to: Optional[str] = None) -> Mapping[str, Any]:
        """Exchange an enrolment token for `{sink, sink_type, credential}`; with the same nonce, for the same."""
        said = {"token": token, "name": name, "version": VERSION, "platform": sys.platform, "nonce": nonce}
        if seal_to is not None:
            said["seal_to"] = seal_to
        document, _ = self._post(self._calls, "/agent/enroll", said, CALL_SECONDS)
        if not all(isinstance(document.get(key), str) for key in ("sink", "sink_type", "credential")):
            raise _not_the_hubs("the answer to the enrolment names no sink")
        return document

    def rotate(self, nonce: str) -> Mapping[str, Any]:
        """Exchange the credential for `{credential, rotate_after_seconds}`; with the same nonce, for the same."""
        document, _ = self._post(self._calls, "/agent/credential", {"nonce": nonce}, CALL_SECONDS)
        if not isinstance(document.get("credential"), str):
            raise _not_the_hubs("the answer holds no credential")
        return document

    def use(self, credential: str) -> None:
        """Make every further call under this credential."""
        for line in (self._calls, self._polls):
            line.use(credential)

    def poll(self, said: Mapping[str, Any], steering: Steering, let_go: Callable[[], bool]) -> PollAnswer:
        """Ask for work. Waits as long as the hub was allowed to hold it, unless `let_go` and `abandon_poll` end it."""
        self._held.let_go = let_go
        document, headers = self._post(self._polls, "/agent/poll", said, steering.hold + HOLD_MARGIN_SECONDS)
        return _poll_answer(document, headers, steering)

    def poll_beside(self, said: Mapping[str, Any], steering: Steering) -> PollAnswer:
        """Poll on another connection, while the first is held."""
        document, headers = self._post(self._calls, "/agent/poll", said, steering.hold + HOLD_MARGIN_SECONDS)
        return _poll_answer(document, headers, steering)

    def abandon_poll(self) -> None:
        """Shut the connection of the poll that is held, which then raises Transient.

        Only for a poll that offered no slot: a task in the answer on its way would be lost until its lease is over.
        """
        self._held.cut()

    def secrets(self, event_id: str, token: str, seconds: float = CALL_SECONDS) -> Mapping[str, Any]:
        """The release of the task's secrets, perhaps sealed. They are in no exception, whatever the answer is like."""
        document, _ = self._post(self._calls, f"/agent/events/{event_id}/secrets", {"token": token}, seconds)
        if not is_release(document):
            raise _not_the_hubs("the answer holds no secrets")
        return document

    def piece(self, digest: str, token: str, first: int, most: int) -> tuple[bytes, int]:
        """Some of a bundle's bytes from `first` on, at most so many, and how many it has in all."""
        headers = {"Range": f"bytes={first}-{first + most - 1}", LEASE_HEADER: token}
        try:
            status, answered, body = self._calls.get(
                f"/agent/modules/{digest}", headers, most, CONNECT_SECONDS, CALL_SECONDS
            )
        except (requests.RequestException, OSError, HTTPError) as error:
            self._calls.forget()
            reason = _innermost(error)
            raise Transient(f"{type(reason).__name__}: {reason}"[:300], type(reason).__name__) from error
        if status != 206:
            read_answer(status, answered, body, 0)  # raises, unless it is somebody else's success
            raise _not_the_hubs("the answer holds no piece of a bundle")
        span = _SPAN.match(answered.get("Content-Range", ""))
        if span is None or int(span[1]) != first or int(span[2]) != first + len(body) - 1 or not body:
            raise _not_the_hubs("the answer is not the piece of a bundle that was asked for")
        return body, int(span[3])

    def renew(self, event_id: str, token: str, seconds: float = CALL_SECONDS) -> Renewed:
        """Renew a lease. The answer is waited for so long."""
        document, _ = self._post(self._calls, f"/agent/events/{event_id}/renew", {"token": token}, seconds)
        return _renewed(document)

    def logs(
        self, event_id: str, token: str, chunk: Mapping[str, Any], renew: bool, seconds: float = CALL_SECONDS
    ) -> Renewed:
        """Store a chunk of log, and renew the lease with it if asked."""
        said = {"token": token, "chunk": chunk, "renew": renew}
        document, _ = self._post(self._calls, f"/agent/events/{event_id}/logs", said, seconds)
        return _renewed(document)

    def result(
        self,
        event_id: str,
        token: str,
        result: TaskResult,
        logs: Sequence[Mapping[str, Any]],
        seconds: float = CALL_SECONDS,
    ) -> None:
        """Report how an attempt ended, with what is left of its log."""
        said = {"token": token, **vars(result), "logs": list(logs)}
        document, _ = self._post(self._calls, f"/agent/events/{event_id}/result", said, seconds)
        if document.get("recorded") is not True:
            raise _not_the_hubs("the answer to the result does not say that it is recorded")

    def _post(
        self, line: Line, path: str, said: Mapping[str, Any], seconds: float
    ) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        # Not as escapes, which would make six bytes of two or three: the hub counts bytes. A half surrogate pair, which
        # only a name from the hub itself could hold, becomes a question mark.
        text = json.dumps(said, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
        body = text.encode("utf-8", "replace")
        try:
            answer = line.post(path, body, CONNECT_SECONDS, seconds)
        except (requests.RequestException, OSError) as error:
            # What broke this connection may have broken those that wait beside it (a firewall that was restarted, an
            # address that changed): each would cost a time-out of its own before a new one is made.
            line.forget()
            reason = _innermost(error)
            raise Transient(f"{type(reason).__name__}: {reason}"[:300], type(reason).__name__) from error
        return read_answer(answer.status_code, answer.headers, answer.content, len(body)), answer.headers


def _poll_answer(document: Mapping[str, Any], headers: Mapping[str, str], before: Steering) -> PollAnswer:
    tasks, commands = document.get("tasks"), document.get("commands")
    if not (isinstance(tasks, list) and isinstance(commands, list)):
        if document or HOLD_HEADER not in headers:
            raise _not_the_hubs("the answer to the poll is not the hub's")
        tasks, commands = [], []  # 204
    said = [one for one in commands if isinstance(one, dict)]
    return PollAnswer(
        tasks,
        [str(one.get("event_id")) for one in said if one.get("command") == "cancel"],
        read_steering(document, headers, before),
        [(str(one.get("command")), str(one["id"])) for one in said if isinstance(one.get("id"), str)],
    )


def _renewed(document: Mapping[str, Any]) -> Renewed:
    token, seconds = document.get("token"), document.get("lease_seconds")
    if not isinstance(token, str) or not isinstance(seconds, (int, float)) or not 0 < seconds < 1e9:
        raise _not_the_hubs("the answer holds no lease")
    return Renewed(token, float(seconds), document.get("watched") is True)


def _not_the_hubs(words: str) -> Transient:
    """A success, but of somebody else: nothing is known of what became of the call."""
    return Transient(words, "foreign")


def _innermost(error: Exception) -> BaseException:
    """The reason itself, without the address and the object names that `requests` wraps around it."""
    reason: BaseException = error
    while (inner := getattr(reason, "reason", None) or reason.__cause__ or reason.__context__) is not None:
        if not isinstance(inner, BaseException):
            break
        reason = inner
    return reason
