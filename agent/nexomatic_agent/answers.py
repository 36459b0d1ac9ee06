"""What the hub answered, sorted by what the agent can do about it.

Between hub and agent stand others who answer in the hub's place: captive portals, gateways, firewalls. What they say is
no answer, whatever its status: a refusal costs a task or its result, so only the hub's own is believed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

LEASE_REASONS = ("superseded", "cancelled", "timed-out")
HOLD_HEADER = "nexomatic-hold"
PAUSE_HEADER = "nexomatic-pause"
PROBLEM = "application/problem+json"
"""How the hub says no. A refusal of any other kind is somebody else's."""
SMALL_BYTES = 64 * 1024
"""Whoever finds a call of so little too large does not know what it says."""
LONGEST_HOLD_SECONDS = 300.0
LONGEST_PAUSE_SECONDS = 3600.0


class HubError(Exception):
    """A call to the hub did not succeed. `kind` is short and the same for all failures of one sort."""

    def __init__(self, message: str, kind: Optional[str] = None, retry_after: Optional[float] = None) -> None:
        super().__init__(message)
        self.kind = kind or type(self).__name__
        self.retry_after = retry_after
        """Seconds that whoever answered asked for."""


class Transient(HubError):
    """No usable answer: the call may or may not have taken effect, and may be repeated."""


class Refused(HubError):
    """The hub will never accept this call as it is."""


class LeaseOver(HubError):
    """The lease this call was made under is over: `superseded`, `cancelled` or `timed-out`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the lease is over: {reason}", "409")
        self.reason = reason


class Unauthorised(HubError):
    """The hub does not know this credential, or another process uses it."""


@dataclass(frozen=True)
class Steering:
    """How often to come: seconds the hub may hold the next poll, and seconds to stay away before it."""

    hold: float
    pause: float


def read_answer(status: int, headers: Mapping[str, str], body: bytes, sent_bytes: int) -> Mapping[str, Any]:
    """The document of a successful answer, empty for 204. Raises Transient, Refused, LeaseOver, Unauthorised.

    Whether a document is the one that was asked for is for the caller to see: a portal may speak JSON too. `sent_bytes`
    is the size of the call.
    """
    if status == 204:
        return {}
    document = _document(body)
    if status in (200, 201) and document is not None:
        return document
    if 300 <= status < 400:
        raise Transient(f"the hub's address leads on to {_without_query(headers.get('Location'))}", "redirect")
    if document is None or not _is_problem(headers):
        raise _from_somebody_else(status, headers, sent_bytes)
    raise _error(status, headers, document)


def _from_somebody_else(status: int, headers: Mapping[str, str], sent_bytes: int) -> HubError:
    """A proxy's page, a gateway's JSON, a half-started host. What is too large for them never reaches the hub."""
    if status == 413 and sent_bytes > SMALL_BYTES:
        return Refused(f"413 something between this agent and the hub does not let {sent_bytes} bytes through", "413")
    return Transient(f"status {status} with a body that is not the hub's", f"foreign {status}", _retry_after(headers))


def _error(status: int, headers: Mapping[str, str], problem: Mapping[str, Any]) -> HubError:
    words, kind = _words(status, problem), str(status)
    if status == 409 and problem.get("reason") in LEASE_REASONS:
        return LeaseOver(problem["reason"])
    if status in (401, 403, 409):
        return Unauthorised(words, kind, _retry_after(headers))
    if 400 <= status < 500 and status not in (408, 425, 429):
        return Refused(words, kind)
    return Transient(words, kind, _retry_after(headers))


def _is_problem(headers: Mapping[str, str]) -> bool:
    return headers.get("Content-Type", "").partition(";")[0].strip().lower() == PROBLEM


def _without_query(location: Optional[str]) -> str:
    """An address for the log. Login pages put tickets behind the question mark."""
    return (location or "nowhere").partition("?")[0].partition("#")[0][:200]


def _document(body: bytes) -> Optional[Mapping[str, Any]]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _words(status: int, problem: Mapping[str, Any]) -> str:
    errors = problem.get("errors")
    said = [problem.get("title"), problem.get("detail"), json.dumps(errors) if errors else None]
    text = ": ".join(part for part in said if isinstance(part, str) and part)
    return f"{status} {text}"[:1000].rstrip()


def _retry_after(headers: Mapping[str, str]) -> Optional[float]:
    return _seconds(headers.get("Retry-After"))


def _seconds(value: object) -> Optional[float]:
    """A number of seconds; None if it is none. (A date in Retry-After is left aside: clocks differ.)"""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def read_steering(document: Mapping[str, Any], headers: Mapping[str, str], before: Steering) -> Steering:
    """How often to come, from the body or, on a 204, the headers; what is not said stays as before."""
    said = document.get("settings")
    settings = said if isinstance(said, dict) else {}
    hold = _seconds(settings.get("hold", headers.get(HOLD_HEADER)))
    pause = _seconds(settings.get("pause", headers.get(PAUSE_HEADER)))
    return Steering(
        before.hold if hold is None else min(hold, LONGEST_HOLD_SECONDS),
        before.pause if pause is None else min(pause, LONGEST_PAUSE_SECONDS),
    )
