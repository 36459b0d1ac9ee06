"""What an alert says: all that somebody needs to know, in fields and as a sentence. Pure.

Never a payload, a result or a parameter: what tells people of trouble goes where secrets must not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

from hub.rules.alerts import Alert
from hub.rules.lateness import Late, Lateness
from hub.rules.watching import LostSink, Unroutable

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


def sink_lost(lost: LostSink, others: int, hub: str | None) -> dict[str, Any]:
    """Of HUB.SINK_LOST. `others`: how many more were lost at about the same time."""
    sink, presence = lost.sink, lost.presence
    message = f"the sink {sink.name} ({sink.sink_type}) is lost: it was last seen at {_said(presence.seen_at)}"
    if others:
        message += f"; {others} more were lost at the same time"
    return {
        **_head(Alert.SINK_LOST, lost.lost_at, message, hub),
        "sink": {
            "name": sink.name,
            "sink_type": sink.sink_type,
            "seen_at": _time(presence.seen_at),
            "offline_after_seconds": presence.offline_after_seconds,
            "running": presence.running,
            "version": presence.version,
            "platform": presence.platform,
        },
        "others": others,
        "address": f"{hub or ''}/api/sinks/{quote(sink.name, safe='')}",
    }


def unroutable(what: Unroutable, now: datetime, hub: str | None) -> dict[str, Any]:
    """Of HUB.UNROUTABLE."""
    waited, event_type = what.waited, what.waited.event_type
    how_many = "1 event waits" if waited.count == 1 else f"{waited.count} events wait"
    pinned = event_type.sink is not None
    who = f"the sink {event_type.sink} is not" if pinned else f"no sink of {event_type.sink_type} that could is"
    message = f"{event_type.name}: {how_many} since {_said(waited.since)}, and {who} there to run it"
    return {
        **_head(Alert.UNROUTABLE, now, message, hub),
        "event_type": event_type.name,
        "sink_type": event_type.sink_type,
        "pinned_to": event_type.sink,
        "count": waited.count,
        "unroutable_after_seconds": event_type.unroutable_after_seconds,
        "oldest": {
            "id": waited.oldest_id,
            "waiting_since": _time(waited.since),
            "address": f"{event_address(waited.oldest_id, hub)}/explain",
        },
        "sinks": {
            "enrolled": len(what.routing.enrolled),
            "could_run_it": len(what.routing.could),
            "seen_at": _time(what.seen_at) if what.seen_at else None,
            "lack": what.routing.lack.value if what.routing.lack else None,
        },
    }


def schedule_late(late: Late, others: int, now: datetime, hub: str | None) -> dict[str, Any]:
    """Of HUB.SCHEDULE_LATE. `others`: how many more schedules are late."""
    source, not_made = late.source, late.what is Lateness.NOT_MADE
    what, why = ("tick", "no hub made") if not_made else ("event", "no sink has taken")
    message = f"{'a' if not_made else 'an'} {what} is late" if late.count == 1 else f"{late.count} {what}s are late"
    which = "it" if late.count == 1 else "them"
    message += f" of the schedule {source.name}: {why} {which}{' in time' * not_made}"
    message += f", {'the first ' * (late.count > 1)}due at {_said(late.tick)}"
    if others:
        message += f"; {others} more schedules are late"
    return {
        **_head(Alert.SCHEDULE_LATE, now, message, hub),
        "schedule": source.name,
        "what": late.what.value,
        "tick": _time(late.tick),
        "late_seconds": round((now - late.tick).total_seconds()),
        "count": late.count,
        "catch_up": source.catch_up.value,
        "event_types": list(source.event_types),
        "event": {"id": late.event_id, "address": f"{event_address(late.event_id, hub)}/explain"}
        if late.event_id
        else None,
        "others": others,
        "address": f"{hub or ''}/api/sources/{quote(source.name, safe='')}",
    }


def event_address(event_id: str, hub: str | None) -> str:
    """Where the API tells of an event; without a public address of the hub, its path."""
    return f"{hub or ''}/api/events/{quote(event_id)}"


def _head(alert: Alert, at: datetime, message: str, hub: str | None) -> dict[str, Any]:
    """What every alert begins with."""
    return {"alert": alert.value, "at": _time(at), "message": message, "hub": hub}


def _said(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= MESSAGE_CHARS else text[:MESSAGE_CHARS] + "…"


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
