"""What an alert says: all that somebody needs to know, in fields and as a sentence. Pure.

Never a payload, a result or a parameter: what tells people of trouble goes where secrets must not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

from hub.rules.alerts import Alert

MESSAGE_CHARS: Final = 2000
_ONCE_A_MINUTE: Final = (
    "Others of this event type may have failed in the same minute: a failure is told of once a minute for each type."
)


@dataclass(frozen=True, slots=True)
class Failed:
    """An event that ended as ERROR."""

    event_id: str
    event_type: str
    root_id: str
    result_code: str | None
    result_message: str | None
    finished_at: datetime
    sink: str | None
    attempt: int
    correlation_id: str | None


def failed(what: Failed, hub: str | None) -> dict[str, Any]:
    """Of HUB.FAILED. `hub`: this hub's public address, if it has one."""
    message = _cut(what.result_message)
    why = ": ".join(part for part in (what.result_code, message) if part)
    others = {"event_type": what.event_type, "state": "ERROR"}
    return {
        **_head(Alert.FAILED, what.finished_at, f"{what.event_type} failed" + (f": {why}" if why else ""), hub),
        "event": {
            "id": what.event_id,
            "event_type": what.event_type,
            "state": "ERROR",
            "result_code": what.result_code,
            "result_message": message,
            "sink": what.sink,
            "attempt": what.attempt,
            "finished_at": _time(what.finished_at),
            "root_id": what.root_id,
            "correlation_id": what.correlation_id,
            "address": event_address(what.event_id, hub),
        },
        "others": _ONCE_A_MINUTE,
        "others_address": f"{hub or ''}/api/events?{urlencode(others)}",
    }


def event_address(event_id: str, hub: str | None) -> str:
    """Where the API tells of an event; without a public address of the hub, its path."""
    return f"{hub or ''}/api/events/{quote(event_id)}"


def _head(alert: Alert, at: datetime, message: str, hub: str | None) -> dict[str, Any]:
    """What every alert begins with."""
    return {"alert": alert.value, "at": _time(at), "message": message, "hub": hub}


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= MESSAGE_CHARS else text[:MESSAGE_CHARS] + "…"


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
