"""What may be in the way of a queued event, each as a check of the facts, in the order in which it is decided. Pure.

First what the hub asks of the event and its configuration (`life/redeliver.py`), which no sink could help; then who
would take it; then what the limits of its EventType say (`life/permits.py`); then who is before it. What would not keep
it waiting, but let it fail on its sink, comes last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from hub.model.configuration import ParameterType, Pause
from hub.model.event import Code
from hub.rules import reach
from hub.rules.explanation import Effect, Facts, Found, Reason
from hub.rules.hints import due_at, hint_after
from hub.rules.lifecycle import MAX_DEPTH
from hub.rules.resolving import Plan
from hub.rules.routing import Needs, doubt
from hub.rules.waiting import in_force, overdue, queue_ends, too_deep
from hub.rules.words import counted, moment

Check = Callable[[Facts], Found | None]


def _chain_too_deep(facts: Facts) -> Found | None:
    why = too_deep(facts.event)
    if why is None:
        return None
    numbers = {"depth": facts.event.depth, "most": MAX_DEPTH}
    return Found(Effect.ENDS, f"It ends at the next look: {why}.", "Nothing: it is to be seen as an error.", numbers)


def _queue_timeout(facts: Facts) -> Found | None:
    if not overdue(facts.event, facts.snapshot, facts.now):
        return None
    ended, event_type = queue_ends(facts.event, facts.snapshot), facts.event_type
    assert event_type is not None
    assert event_type.queue_timeout_seconds is not None
    detail = f"It did not start by {moment(ended)}, and ends at the next look, within 2 minutes."
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


def _unresolvable(code: Code, change: str) -> Check:
    def check(facts: Facts) -> Found | None:
        why = facts.unresolvable
        if why is None or why.code is not code:
            return None
        detail = f"It ends when a sink with a free slot next looks into its queue: {why}."
        return Found(Effect.ENDS, detail, change)

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


def _no_sink_enrolled(facts: Facts) -> Found | None:
    event_type = facts.event_type
    if event_type is None or event_type.sink is not None or reach.today(facts).enrolled:
        return None
    detail = f"No sink of the type {event_type.sink_type} is enrolled."
    change = f'Enrol one: POST /api/enrolments {{"sink_type": "{event_type.sink_type}"}}.'
    return Found(Effect.WAITS, detail, change, {"enrolled": 0})


def _pinned_sink_gone(facts: Facts) -> Found | None:
    event_type = facts.event_type
    if event_type is None or event_type.sink is None or reach.today(facts).enrolled:
        return None
    detail = f"The event type {event_type.name} names the sink {event_type.sink}, which is not enrolled."
    change = f"Enrol a sink of that name, or name another: PATCH /api/event-types/{event_type.name}."
    return Found(Effect.WAITS, detail, change, {"enrolled": 0})


def _no_sink_online(facts: Facts) -> Found | None:
    found = reach.today(facts)
    if not found.enrolled or found.online or found.draining:
        return None
    seen = f"the last was seen at {moment(found.seen_at)}" if found.seen_at else "none ever came"
    detail = f"No sink of {_whose(facts)} is online, of {found.enrolled} enrolled; {seen}."
    return Found(Effect.WAITS, detail, _START, found.numbers, since=found.seen_at)


def _draining(facts: Facts) -> Found | None:
    found = reach.today(facts)
    if found.online or not found.draining:
        return None
    detail = f"{found.draining} of {found.enrolled} sinks of {_whose(facts)} drain: they finish what they run."
    return Found(Effect.WAITS, detail, f"A sink that stays. {_START}", found.numbers)


def _busy(facts: Facts) -> Found | None:
    found = reach.today(facts)
    if not found.online or found.free:
        return None
    detail = f"Slots of {_whose(facts)} in use: {found.running} of {found.slots}."
    if not found.slots:
        detail = f"No sink of {_whose(facts)} that is online offers a slot."
    return Found(Effect.WAITS, detail, "A task that ends, more slots on a sink, or another sink.", found.numbers)


def _hub_clock(facts: Facts) -> Found | None:
    if facts.clock_is_right:
        return None
    detail = "The clock of this process of the hub is more than 2 s from storage's, so it hands out no work."
    return Found(Effect.WAITS, detail, "Set the clock right on the machine where the hub runs.")


def _hub_crowded(facts: Facts) -> Found | None:
    if facts.crowd is None:
        return None
    held, most = facts.crowd
    detail = (
        f"This process of the hub holds {held} of {most} requests that it may hold, none of which waits for this event:"
        " a sink that asks for work is told to come again in 5 s."
    )
    change = "The end of one of them, within a minute, or a higher NEXOMATIC_MAX_HELD_POLLS."
    return Found(Effect.WAITS, detail, change, {"held": held, "most": most})


def _max_running(facts: Facts) -> Found | None:
    event_type = facts.event_type
    most = event_type.max_running if event_type else None
    if event_type is None or most is None or facts.running is None or facts.running < most:
        return None
    detail = f"{facts.running} of {most} attempts of {event_type.name} that may run at once do."
    change = f"One of them that ends, or a higher max_running: PATCH /api/event-types/{event_type.name}."
    return Found(Effect.WAITS, detail, change, {"running": facts.running, "max_running": most})


def _rate(facts: Facts) -> Found | None:
    event_type = facts.event_type
    most = event_type.rate_per_minute if event_type else None
    if event_type is None or most is None or not facts.starts_in:
        return None
    until = facts.now + timedelta(seconds=facts.starts_in)
    detail = f"{most} attempts of {event_type.name} may start in a minute, and the next one at {moment(until)}."
    change = f"The time, or a higher rate_per_minute: PATCH /api/event-types/{event_type.name}."
    numbers = {"rate_per_minute": most, "seconds": facts.starts_in}
    return Found(Effect.WAITS, detail, change, numbers, until=until)


def _queue_ahead(facts: Facts) -> Found | None:
    found, others = reach.today(facts), _others_waiting(facts)
    if facts.elsewhere is not None or not found.free or others < found.free:
        return None
    detail = (
        f"About {others} other events wait in the same queue for {counted(found.free, 'free slot')}, some of them"
        " perhaps held up themselves. Order is not promised."
    )
    numbers = {"waiting": others, **found.numbers}
    return Found(Effect.WAITS, detail, "Time, more slots on a sink, or another sink.", numbers)


def _others_waiting(facts: Facts) -> int:
    """About how many others wait for its sinks: the messages there but its own, and but those of what runs."""
    return max(0, facts.depth - 1 - reach.whole_pool(facts).running_in_all)


def _runtime_missing(facts: Facts) -> Found | None:
    plan, found = facts.plan, reach.today(facts)
    if plan is None or not found.told or found.with_runtime:
        return None
    detail = f"No sink of {_whose(facts)} has the runtime {plan.run.runtime}, of {found.told} that were asked."
    change = f"Install it on one of them, or another runtime for the action {plan.run.action}."
    return Found(Effect.FAILS, f"{detail} The event will fail there.", change, {"sinks": found.told, "having_it": 0})


def _module_missing(facts: Facts) -> Found | None:
    plan, found = facts.plan, reach.today(facts)
    if plan is None or not found.with_runtime or found.listing:
        return None
    certain = not found.may_have
    detail = f"No sink of {_whose(facts)} lists the module {plan.run.module}, of {found.told} that were asked."
    more = (
        "The event will fail there." if certain else "It may be installed with the interpreter; else the event fails."
    )
    change = f"Put it into the module folder of one of them, or correct the action {plan.run.action}."
    effect = Effect.FAILS if certain else Effect.MAY_FAIL
    return Found(effect, f"{detail} {more}", change, {"sinks": found.told, "listing_it": 0})


def _doubt(plan: Plan) -> str:
    return doubt(Needs(plan.run.runtime, plan.run.module))


def _secret_missing(facts: Facts) -> Found | None:
    if facts.plan is None:
        return None
    named = [each.value for each in facts.plan.parameters if each.type is ParameterType.SECRET]
    missing = [name for name in dict.fromkeys(named) if facts.snapshot.secret(name) is None]
    if not missing:
        return None
    detail = f"There is no secret {', '.join(missing)}: the event will fail on its sink."
    return Found(Effect.FAILS, detail, f"PUT /api/secrets/{missing[0]}.", {"missing": len(missing)})


def _is_early(facts: Facts) -> bool:
    return facts.event.not_before is not None and facts.event.not_before > facts.now


def _seconds(facts: Facts) -> float:
    assert facts.event.not_before is not None
    return (facts.event.not_before - facts.now).total_seconds()


def _whose(facts: Facts) -> str:
    event_type = facts.event_type
    assert event_type is not None
    return f"the type {event_type.sink_type}" if event_type.sink is None else f"the name {event_type.sink}"


_START: Final = "Start the agent on its machine, or see there why it does not reach the hub."
CHECKS: Final[Mapping[Reason, Check]] = {
    Reason.CHAIN_TOO_DEEP: _chain_too_deep,
    Reason.QUEUE_TIMEOUT: _queue_timeout,
    Reason.BACKING_OFF: _backing_off,
    Reason.NOT_BEFORE: _not_before,
    Reason.EVENT_TYPE_DISABLED: _disabled,
    Reason.EVENT_TYPE_PAUSED: _event_type_paused,
    Reason.SINK_TYPE_PAUSED: _sink_type_paused,
    Reason.CONFIGURATION_MISSING: _unresolvable(
        Code.CONFIGURATION_MISSING, "Create what is missing again before a sink asks."
    ),
    Reason.MESSAGE_MISSING: _message_missing,
    Reason.QUEUE_ABANDONED: _queue_abandoned,
    Reason.PAYLOAD_MISSING: _unresolvable(Code.PAYLOAD_MISSING, "Nothing: fire it anew."),
    Reason.PARAMETER_FAILED: _unresolvable(
        Code.PARAMETER_FAILED, "Correct the parameter's expression before a sink asks, in the action or event type."
    ),
    Reason.NO_SINK_ENROLLED: _no_sink_enrolled,
    Reason.PINNED_SINK_GONE: _pinned_sink_gone,
    Reason.NO_SINK_ONLINE: _no_sink_online,
    Reason.SINKS_DRAINING: _draining,
    Reason.SINKS_BUSY: _busy,
    Reason.HUB_CLOCK_WRONG: _hub_clock,
    Reason.HUB_CROWDED: _hub_crowded,
    Reason.MAX_RUNNING: _max_running,
    Reason.RATE: _rate,
    Reason.QUEUE_AHEAD: _queue_ahead,
    Reason.RUNTIME_MISSING: _runtime_missing,
    Reason.MODULE_NOT_INSTALLED: _module_missing,
    Reason.SECRET_MISSING: _secret_missing,
}
"""In the order in which they are decided."""
