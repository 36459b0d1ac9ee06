"""What is told of an event's life, read off its row."""

from __future__ import annotations

import itertools
from datetime import timedelta

from hub.model.event import Code, Event, Outcome, State
from hub.rules import lifecycle
from hub.rules.announcing import announcements
from hub.rules.lifecycle import Edges, Report
from tests.unit.factories import NOW, claim, event, running

LATER = NOW + timedelta(seconds=5)
ERROR = Report(State.ERROR, Outcome.ERROR, "BROKEN")
SUCCESS = Report(State.SUCCESS, Outcome.SUCCESS, "OK", "a message", None)


def told(of: Event) -> list[tuple[int, str]]:
    return [(each.number, each.state.value) for each in announcements(of)]


def retried() -> Event:
    """Queued again after its first attempt failed."""
    first = running()
    return lifecycle.apply(first, lifecycle.retry(lifecycle.holding(first), ERROR, LATER, LATER))


def test_from_its_creation_to_its_end() -> None:
    assert told(event()) == [(0, "QUEUED")]
    assert told(running()) == [(0, "QUEUED"), (1, "RUNNING")]
    held = running()
    ended = lifecycle.apply(held, lifecycle.finish(lifecycle.holding(held), SUCCESS, LATER))
    assert told(ended) == [(0, "QUEUED"), (1, "RUNNING"), (2, "SUCCESS")]
    end = announcements(ended)[-1]
    assert (end.id, end.at, end.attempt, end.sink, end.result_code) == (f"{held.id}.2", LATER, 1, "sink-1", "OK")


def test_a_retry_is_queued_between_its_attempts() -> None:
    again = lifecycle.claim(retried(), claim("c2", at=LATER))
    ended = lifecycle.apply(again, lifecycle.finish(lifecycle.holding(again), SUCCESS, LATER + timedelta(seconds=1)))
    states = ["QUEUED", "RUNNING", "QUEUED", "RUNNING", "SUCCESS"]
    assert told(ended) == list(enumerate(states))


def test_an_end_while_it_waited_has_a_number_of_its_own() -> None:
    cancelled = lifecycle.cancel(event(), Edges(), LATER, "cancelled")
    assert told(lifecycle.apply(event(), cancelled)) == [(0, "QUEUED"), (1, "ERROR")]
    between = lifecycle.apply(retried(), lifecycle.cancel(retried(), Edges(), LATER + timedelta(seconds=1), "no"))
    assert told(between) == [(0, "QUEUED"), (1, "RUNNING"), (2, "QUEUED"), (3, "ERROR")]
    assert announcements(between)[-1].result_code == Code.CANCELLED


def test_what_was_told_before_is_told_alike_later() -> None:
    """Numbers never change their meaning as the event goes on."""
    lives = [event(), running(), retried(), lifecycle.claim(retried(), claim("c2", at=LATER))]
    for earlier, later in itertools.pairwise(lives):
        assert told(later)[: len(told(earlier))] == told(earlier)


def test_no_message_or_result_leaves_with_it() -> None:
    held = running()
    ended = lifecycle.apply(held, lifecycle.finish(lifecycle.holding(held), SUCCESS, LATER))
    assert "a message" not in repr(announcements(ended))
