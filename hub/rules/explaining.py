"""Why an event is where it is: the first thing that is in its way, with its numbers and what would change it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from hub.model.event import Code, Event, State
from hub.model.sink import SinkState
from hub.rules import lifecycle, reach
from hub.rules.explanation import Condition, Effect, Explanation, Facts, Found, Reason
from hub.rules.presence import state_of
from hub.rules.reporting import shown_state
from hub.rules.waiting import queue_ends
from hub.rules.waiting_reasons import CHECKS
from hub.rules.words import counted, moment

ENDINGS: Final[Mapping[str, str]] = {
    Code.CANCELLED: "an admin cancelled it",
    Code.LOST: "its sink was lost, and it may not start again",
    Code.QUEUE_TIMEOUT: "it waited longer than its queue time-out",
    Code.RUN_TIMEOUT: "it ran past its time-out, and its sink did not end it",
    Code.CONFIGURATION_MISSING: "its event type, action or bundle was gone",
    Code.PARAMETER_FAILED: "a DATA parameter could not be computed from its payload",
    Code.SECRET_UNAVAILABLE: "a secret that it needs was not there",
    Code.PAYLOAD_MISSING: "its payload was not in storage any more",
    Code.CHAIN_TOO_DEEP: "the chain of follow-ons that led to it had led on as often as any may",
    Code.SCHEDULE_CHANGED: "its schedule was changed, disabled or deleted before it ran",
    Code.SCHEDULE_PAUSED: "its schedule was paused at its time",
    Code.OVERLAPPED: "an earlier event of its schedule had not ended at its time",
}
"""The hub's own result codes, in words."""


def explain(facts: Facts) -> Explanation:
    """The first thing that is in the way of this event, or how it goes on, or how it ended."""
    event = facts.event
    if event.state.final:
        return Explanation(Reason.ENDED, _ended(event))
    if event.state is State.RUNNING:
        if is_held(facts):
            return Explanation(Reason.RUNNING, _running(facts))
        return _lapsed(facts)
    return _waiting(facts, _next(facts))


def is_held(facts: Facts) -> bool:
    """Whether a sink runs it, with a lease that is not over."""
    event = facts.event
    return shown_state(event.state, event.lease_until, facts.now, facts.margin) is State.RUNNING


def requeued(event: Event, facts: Facts) -> Event:
    """A RUNNING event whose lease is over as it will be once somebody takes notice: queued again, or ended."""
    held = lifecycle.holding(event)
    policy = facts.snapshot.retry_policy(event.event_type)
    return lifecycle.apply(event, lifecycle.lose(held, policy, confirmed=event.confirmed, at=facts.now))


def _waiting(facts: Facts, otherwise: Explanation) -> Explanation:
    """The first that keeps it waiting or ends it; else the first that lets it fail; else how it goes on."""
    conditions = tuple(Condition(code, check(facts)) for code, check in CHECKS.items())
    gives_up_at = queue_ends(facts.event, facts.snapshot)
    for each in conditions:  # what lets it fail comes last
        if each.found is not None and each.found.effect is not Effect.MAY_FAIL:
            return Explanation(each.code, each.found, conditions, gives_up_at)
    return replace(otherwise, conditions=conditions, gives_up_at=gives_up_at)


def _next(facts: Facts) -> Explanation:
    """What becomes of an event that has nothing in its way."""
    found = reach.today(facts)
    if facts.elsewhere is not None:
        detail = (
            f"Its message lies in the queue of {facts.elsewhere.name}, where its event type sent it before; it goes to"
            " its new queue when one of them next asks for work."
        )
        return Explanation(Reason.MOVING, Found(Effect.NONE, detail, "Nothing needs to.", found.numbers))
    detail = (
        f"{found.free} of {counted(found.slots, 'slot')} are free on {counted(found.online, 'sink')}: it is given to"
        f" the next that asks. What was held up a moment ago is looked at again within {facts.look_seconds:g} s."
    )
    return Explanation(Reason.ABOUT_TO_RUN, Found(Effect.NONE, detail, "Nothing needs to.", found.numbers))


def _lapsed(facts: Facts) -> Explanation:
    """Nobody renewed its lease: it waits as if it were queued, or will be ended."""
    event = facts.event
    assert event.lease_until is not None
    over = f"The sink {event.sink} has not renewed its lease since {moment(event.lease_until)}{_last_seen(facts)}"
    numbers = {"attempt": event.attempt, "lost": event.lost}
    after = requeued(event, facts)
    if after.state.final:
        detail = f"{over}. It ends at the next look, within 2 minutes: {after.result_message}."
        change = "The sink's next call, if it comes before."
        return Explanation(Reason.LOST, Found(Effect.ENDS, detail, change, numbers, since=event.lease_until))
    seconds = event.attempts[-1].run.lease_seconds / 3 if event.attempts else facts.look_seconds
    detail = f"{over}. Another sink takes it over at the second look, {seconds:g} s after the first."
    takeover = Found(Effect.NONE, detail, "The sink's next call, if it comes before.", numbers, since=event.lease_until)
    return _waiting(replace(facts, event=after), Explanation(Reason.TAKEOVER, takeover))


def _running(facts: Facts) -> Found:
    event = facts.event
    assert event.lease_until is not None
    assert event.run_until is not None
    since = event.attempts[-1].started_at if event.attempts else event.started_at
    detail = f"The sink {event.sink} has attempt {event.attempt} since {moment(since)}{_last_seen(facts)}."
    if event.confirm and not event.confirmed:
        detail += " It starts once its first renewal has confirmed the claim."
    if facts.now >= event.run_until:
        detail += " It is past its time-out: the hub ends it at the sink's next call."
    elif facts.now >= event.lease_until:
        detail += (
            f" Its lease is over and was not renewed: at {moment(event.lease_until + facts.margin)} it waits again."
        )
    else:
        detail += f" Its lease lasts until {moment(event.lease_until)} and is renewed before that."
    numbers = {
        "attempt": event.attempt,
        "failures": event.failures,
        "lost": event.lost,
        "run_seconds": (event.run_until - facts.now).total_seconds(),
    }
    change = f"Its end, its time-out at {moment(event.run_until)}, or POST /api/events/{event.id}/cancel."
    return Found(Effect.NONE, detail, change, numbers, since=since, until=event.lease_until)


def _last_seen(facts: Facts) -> str:
    presence = facts.presences.get(facts.event.sink or "")
    if presence is None or state_of(presence, facts.now) is not SinkState.OFFLINE:
        return ""
    return f" (the sink was last seen at {moment(presence.seen_at)})"


def _ended(event: Event) -> Found:
    detail = f"It ended as {event.state} at {moment(event.finished_at)}{_why(event)}."
    if event.owes is not None:
        detail += f" It owes {event.owes_event_type}, the event {event.owes}, which is made within 2 minutes."
    if event.follow_on not in (None, event.owes):
        detail += f" The event {event.follow_on} followed."
    if event.follow_on_skipped is not None:
        detail += f" Nothing followed: {event.follow_on_skipped}."
    if event.alert not in (None, event.owes):
        detail += f" The alert {event.alert} tells of it."
    numbers = {"attempts": event.attempt, "failures": event.failures, "lost": event.lost}
    change = f"Run it again: POST /api/events/{event.id}/retry."
    return Found(Effect.NONE, detail, change, numbers, since=event.finished_at)


def _why(event: Event) -> str:
    words = ENDINGS.get(event.result_code or "")
    code = f" with {event.result_code}" if event.result_code else ""
    said = ": ".join(each for each in (words, event.result_message) if each)
    return f"{code}: {said}" if said else code
