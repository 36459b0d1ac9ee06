"""What the hub answered, sorted by what the agent can do about it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

LEASE_REASONS = ("superseded", "cancelled", "timed-out")
HOLD_HEADER = "nexomatic-hold"
PAUSE_HEADER = "nexomatic-pause"
LONGEST_HOLD_SECONDS = 300.0
LONGEST_PAUSE_SECONDS = 3600.0


class HubError(Exception):
    """A call to the hub did not succeed."""


class Transient(HubError):
    """No usable answer: the call may or may not have taken effect, and may be repeated."""

    def __init__(self, message: str, retry_after: Optional[float] = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Refused(HubError):
    """The hub will never accept this call as it is."""


class LeaseOver(HubError):
    """The lease this call was made under is over: `superseded`, `cancelled` or `timed-out`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the lease is over: {reason}")
        self.reason = reason


class Unauthorised(HubError):
    """The hub does not know this credential, or another process uses it."""


@dataclass(frozen=True)
class Steering:
    """How often to come: seconds the hub may hold the next poll, and seconds to stay away before it."""

    hold: float
    pause: float


def read_answer(status: int, headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
    """The document of a successful answer, empty for 204. Raises Transient, Refused, LeaseOver, Unauthorised."""
    if status == 204:
        return {}
    document = _document(body)
    if document is None:
        # Not the hub's words, whatever the status says: a proxy's page, a half-started host.
        raise Transient(f"status {status} with a body that is not the hub's", _retry_after(headers))
    if status in (200, 201):
        return document
    raise _error(status, headers, document)


def _error(status: int, headers: Mapping[str, str], problem: Mapping[str, Any]) -> HubError:
    words = _words(status, problem)
    if status == 409 and problem.get("reason") in LEASE_REASONS:
        return LeaseOver(problem["reason"])
    if status in (401, 403, 409):
        return Unauthorised(words)
    if 400 <= status < 500 and status not in (408, 425, 429):
        return Refused(words)
    return Transient(words, _retry_after(headers))


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
