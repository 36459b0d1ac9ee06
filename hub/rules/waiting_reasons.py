"""What may be in the way of a queued event, each as a check of the facts, in the order in which it is decided. Pure.

First what the hub asks of the event and its configuration (`life/redeliver.py`), which no sink could help; then who
would take it; then what the limits of its EventType say (`life/permits.py`); then who is before it. What would not keep
it waiting, but let it fail on its sink, comes last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hub.model.configuration import Pause
from hub.model.event import Code
from hub.rules import reach
from hub.rules.explanation import Effect, Facts, Found, Reason
from hub.rules.hints import due_at, hint_after
from hub.rules.lifecycle import MAX_DEPTH
from hub.rules.sink_reasons import SINK_CHECKS, Check
from hub.rules.waiting import in_force, overdue, queue_ends, too_deep
from hub.rules.words import counted, moment


def _chain_too_deep(facts: Facts) -> Found | None:
    why = too_deep(facts.event)
    if why is None:
        return None
    numbers = {"depth": facts.event.depth, "most": MAX_DEPTH}
    return Found(Effect.ENDS, f"It ends {_AT_A_LOOK}: {why}.", "Nothing: it is to be seen as an error.", numbers)


def _queue_timeout(facts: Facts) -> Found | None:
    if not overdue(facts.event, facts.snapshot, facts.now):
        return None
    ended, event_type = queue_ends(facts.event, facts.snapshot), facts.event_type
    assert event_type is not None
    assert event_type.queue_timeout_seconds is not None
    detail = f"It did not start by {moment(ended)}, and ends {_AT_A_LOOK}."
    change = f"A longer queue_timeout_seconds, at once: PATCH /api/event-types/{event_type.name}."
    return Found(Effect.ENDS, detail, change, {"queue_timeout_seconds": event_type.queue_timeout_seconds}, since=ended)


def _backing_off(facts: Facts) -> Found | None:
    event = facts.event
    if not event.failures or not _is_early(facts):
        return None
    assert event.not_before is not None
    failed = max((each.finished_at for each in event.attempts if each.finished_at), default=None)
    most = facts.snapshot.retry_policy(event.event_type).max_attempts
    detail = (
        f"{event.failures} of {counted(most, 'attempt')} failed; the next one begins at {moment(event.not_before)}."
    )
    change = "The time: the back-off was drawn when the attempt failed, and is not drawn again."
    numbers = {"failures": event.failures, "max_attempts": most, "seconds": _seconds(facts)}
    return Found(Effect.WAITS, detail, change, numbers, since=failed, until=event.not_before)


def _not_before(facts: Facts) -> Found | None:
    if facts.event.failures or not _is_early(facts):
        return None
    assert facts.event.not_before is not None
    detail = f"It is not to run before {moment(facts.event.not_before)}."
    until, numbers = facts.event.not_before, {"seconds": _seconds(facts)}
    return Found(Effect.WAITS, detail, "The time.", numbers, since=facts.event.created_at, until=until)


def _disabled(facts: Facts) -> Found | None:
    event_type = facts.event_type
    if event_type is None or event_type.enabled:
        return None
    change = f'Enable it: PATCH /api/event-types/{event_type.name} {{"enabled": true}}.'
    return Found(Effect.WAITS, f"The event type {event_type.name} is disabled.", change)


def _event_type_paused(facts: Facts) -> Found | None:
    event_type = facts.event_type
    if event_type is None:
        return None
    return _paused(facts, event_type.pause, f"event type {event_type.name}", f"event-types/{event_type.name}")


def _sink_type_paused(facts: Facts) -> Found | None:
    event_type = facts.event_type
    sink_type = facts.snapshot.sink_type(event_type.sink_type) if event_type else None
    if sink_type is None:
        return None
    return _paused(facts, sink_type.pause, f"sink type {sink_type.name}", f"sink-types/{sink_type.name}")


def _paused(facts: Facts, pause: Pause | None, what: str, path: str) -> Found | None:
    if pause is None or not in_force(pause, facts.now):
        return None
    end = f"until {moment(pause.until)}" if pause.until else "until it is resumed"
    note = f": {pause.note}" if pause.note else ""
    change = f"POST /api/{path}/resume" + (", or its end." if pause.until else ".")
    return Found(Effect.WAITS, f"The {what} is paused {end}{note}.", change, until=pause.until)


def _behind(facts: Facts) -> Found | None:
    event = facts.event
    if facts.behind is None:
        return None
    detail = (
        f"The schedule {event.source} runs one event after the other, and {facts.behind}, or one before it, has not"
        " ended."
    )
    change = f"Its end, or POST /api/events/{facts.behind}/cancel; or overlap allow: PATCH /api/sources/{event.source}."
    return Found(Effect.WAITS, detail, change)


def _of_schedule(code: Code, when: str, change: str) -> Check:
    def check(facts: Facts) -> Found | None:
        why = facts.schedule
        if why is None or why.code is not code:
            return None
        return Found(Effect.ENDS, f"It ends {when}: {why}.", change)

    return check


def _unresolvable(code: Code, change: str) -> Check:
    def check(facts: Facts) -> Found | None:
        why = facts.unresolvable
        if why is None or why.code is not code:
            return None
        return Found(Effect.ENDS, f"It ends {_AT_A_POLL}: {why}.", change)

    return check


def _message_missing(facts: Facts) -> Found | None:
    if facts.depth:
        return None
    fresh = hint_after(facts.event.hints, due_at(facts.event))
    detail = f"Its queue is empty, so its message is gone; the timer puts a new one at {moment(fresh)}."
    return Found(Effect.WAITS, detail, "The time: 1, 2, 4, 8 … hours after it was due.", {"messages": 0}, until=fresh)


def _queue_abandoned(facts: Facts) -> Found | None:
    place, event_type = facts.elsewhere, facts.event_type
    if place is None or (found := reach.of(place.sinks, facts)).free:
        return None
    moves = hint_after(facts.event.hints, due_at(facts.event))
    detail = f"Its message lies in the queue of {place.name}, where no sink with a free slot looks now."
    if event_type is not None:
        detail += f" {event_type.name} sends its events elsewhere today; the message follows when a sink looks at it."
    detail += f" The timer puts one where it belongs at {moment(moves)}."
    change = (
        f"The time; a sink that looks into that queue; or cancel the event, POST /api/events/{facts.event.id}/cancel,"
        " and run it again."
    )
    return Found(Effect.WAITS, detail, change, found.numbers, since=found.seen_at, until=moves)


def _is_early(facts: Facts) -> bool:
    return facts.event.not_before is not None and facts.event.not_before > facts.now


def _seconds(facts: Facts) -> float:
    assert facts.event.not_before is not None
    return (facts.event.not_before - facts.now).total_seconds()


_AT_A_POLL: Final = "when a sink with a free slot next looks into its queue"
_AT_A_LOOK: Final = "at the next look, within 2 minutes"
CHECKS: Final[Mapping[Reason, Check]] = {
    Reason.SCHEDULE_CHANGED: _of_schedule(
        Code.SCHEDULE_CHANGED, _AT_A_LOOK, "Nothing: the schedule as it is now fires its own events."
    ),
    Reason.SCHEDULE_PAUSED: _of_schedule(
        Code.SCHEDULE_PAUSED, _AT_A_LOOK, "Nothing: what falls into a pause is not fired, also once that is over."
    ),
    Reason.CHAIN_TOO_DEEP: _chain_too_deep,
    Reason.QUEUE_TIMEOUT: _queue_timeout,
    Reason.BACKING_OFF: _backing_off,
    Reason.NOT_BEFORE: _not_before,
    Reason.EVENT_TYPE_DISABLED: _disabled,
    Reason.EVENT_TYPE_PAUSED: _event_type_paused,
    Reason.SINK_TYPE_PAUSED: _sink_type_paused,
    Reason.OVERLAPPED: _of_schedule(
        Code.OVERLAPPED, _AT_A_POLL, "Nothing: it is skipped, as the overlap of its schedule says."
    ),
    Reason.PREVIOUS_RUNNING: _behind,
    Reason.CONFIGURATION_MISSING: _unresolvable(
        Code.CONFIGURATION_MISSING, "Create what is missing again before a sink asks."
    ),
    Reason.MESSAGE_MISSING: _message_missing,
    Reason.QUEUE_ABANDONED: _queue_abandoned,
    Reason.PAYLOAD_MISSING: _unresolvable(Code.PAYLOAD_MISSING, "Nothing: fire it anew."),
    Reason.PARAMETER_FAILED: _unresolvable(
        Code.PARAMETER_FAILED, "Correct the parameter's expression before a sink asks, in the action or event type."
    ),
    **SINK_CHECKS,
}
"""In the order in which they are decided."""
