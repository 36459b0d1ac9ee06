"""What may be in the way of an event once nothing in it and its configuration is: sinks, limits, a queue. Pure.

As `waiting_reasons.py`, which has what comes before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from hub.model.configuration import ParameterType
from hub.model.sink import Command
from hub.rules import reach
from hub.rules.explanation import Effect, Facts, Found, Reason
from hub.rules.resolving import Plan
from hub.rules.routing import Needs, doubt, needs_of, not_taken
from hub.rules.words import counted, moment

Check = Callable[[Facts], Found | None]


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
    if not found.drained:
        return Found(Effect.WAITS, detail, f"A sink that stays. {_START}", found.numbers)
    sink = found.drained[0]
    order = sink.order
    if order is not None and order.command is Command.DRAIN:
        detail += f" {sink.name} was told to by {order.by or 'nobody'} at {moment(order.at)}."
    change = f'POST /api/sinks/{sink.name}/commands {{"command": "resume"}}.'
    return Found(Effect.WAITS, detail, change, found.numbers)


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


def _module_not_taken(facts: Facts) -> Found | None:
    plan, found = facts.plan, reach.today(facts)
    needs = needs_of(plan.run, facts.snapshot) if plan else None
    if plan is None or needs is None or not found.with_runtime or found.taking:
        return None
    detail = f"No sink of {_whose(facts)}, of {found.told} that were asked, takes {not_taken(needs)}."
    change = f"An agent that fetches bundles, a signature that it trusts, or another bundle for {plan.run.action}."
    return Found(Effect.FAILS, f"{detail} The event will fail there.", change, {"sinks": found.told, "taking_it": 0})


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


def _whose(facts: Facts) -> str:
    event_type = facts.event_type
    assert event_type is not None
    return f"the type {event_type.sink_type}" if event_type.sink is None else f"the name {event_type.sink}"


_START: Final = "Start the agent on its machine, or see there why it does not reach the hub."
SINK_CHECKS: Final[Mapping[Reason, Check]] = {
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
    Reason.MODULE_NOT_TAKEN: _module_not_taken,
    Reason.MODULE_NOT_INSTALLED: _module_missing,
    Reason.SECRET_MISSING: _secret_missing,
}
"""In the order in which they are decided."""
