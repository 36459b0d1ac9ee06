from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from hub.errors import IllegalMove
from hub.model.configuration import OnLost, RetryPolicy
from hub.model.event import Code, Event, Outcome, State
from hub.rules import lifecycle
from hub.rules.lifecycle import MAX_DEPTH, TRANSITIONS, Changes, Edges, Move, Report
from tests.unit.factories import NOW, claim, event, running

LATER = NOW + timedelta(seconds=10)
EVERY_EDGE = Edges("DONE", "LOOK", "FAILED")
OK = Report(State.SUCCESS, Outcome.SUCCESS, message="fine")


@pytest.mark.parametrize(("move", "before", "after"), list(product(Move, State, State)))
def test_a_move_is_allowed_just_where_the_table_has_it(move: Move, before: State, after: State) -> None:
    sources, targets = TRANSITIONS[move]
    if before in sources and after in targets:
        assert move.check(before, after) is after
    else:
        with pytest.raises(IllegalMove, match="does not lead"):
            move.check(before, after)


def test_the_table_has_every_move_and_nothing_leaves_a_final_state() -> None:
    assert set(TRANSITIONS) == set(Move)
    assert not any(state.final for sources, _ in TRANSITIONS.values() for state in sources)


def test_a_claim_opens_an_attempt_and_forgets_the_back_off() -> None:
    claimed = lifecycle.claim(event(not_before=NOW, hints=3), claim(edges=EVERY_EDGE))
    assert (claimed.state, claimed.attempt, claimed.sink, claimed.claim_id) == (State.RUNNING, 1, "sink-1", "c1")
    assert claimed.not_before is None
    assert claimed.hints == 0
    assert claimed.started_at == NOW
    assert [(each.number, each.claim_id, each.outcome) for each in claimed.attempts] == [(1, "c1", None)]


def test_only_the_newest_attempts_are_kept() -> None:
    current = event()
    for number in range(60):
        current = lifecycle.apply(
            lifecycle.claim(current, claim(f"c{number}")), {"state": State.QUEUED, "claim_id": None}
        )
    assert [each.number for each in current.attempts] == list(range(11, 61))


@pytest.mark.parametrize("state", [State.RUNNING, State.SUCCESS, State.WARNING, State.ERROR])
def test_what_is_not_queued_cannot_be_claimed(state: State) -> None:
    with pytest.raises(IllegalMove):
        lifecycle.claim(event(state=state), claim())


@pytest.mark.parametrize(
    ("state", "follower"), [(State.SUCCESS, "DONE"), (State.WARNING, "LOOK"), (State.ERROR, "FAILED")]
)
def test_a_final_event_owes_what_its_edge_names(state: State, follower: str) -> None:
    held = lifecycle.holding(running(claim={"edges": EVERY_EDGE}))
    changes = lifecycle.finish(held, Report(state, Outcome(state.value)), LATER)
    assert changes["owes_event_type"] == follower
    assert changes["owes"] == changes["follow_on"]
    assert changes == lifecycle.finish(held, Report(state, Outcome(state.value)), LATER), "the same id each time"


def test_an_event_without_edges_is_settled_at_once() -> None:
    ended = _apply(running(), lifecycle.finish(lifecycle.holding(running()), OK, LATER))
    assert ended.settled
    assert (ended.claim_id, ended.lease_until, ended.finished_at) == (None, None, LATER)
    assert ended.attempts[0].outcome is Outcome.SUCCESS


def test_a_chain_ends_at_the_depth_limit_with_words() -> None:
    last = lifecycle.holding(running(depth=MAX_DEPTH, claim={"edges": EVERY_EDGE}))
    assert lifecycle.finish(last, OK, LATER)["owes"], "the one that says that it is too many"
    beyond = lifecycle.holding(running(depth=MAX_DEPTH + 1, claim={"edges": EVERY_EDGE}))
    changes = lifecycle.finish(beyond, OK, LATER)
    assert "owes" not in changes
    assert "32 events deep" in (changes["follow_on_skipped"] or "")


def test_a_retry_waits_and_counts_the_failure() -> None:
    report = Report(State.ERROR, Outcome.ERROR, "EXIT_1", "no")
    queued = _apply(running(), lifecycle.retry(lifecycle.holding(running()), report, NOW, LATER))
    assert (queued.state, queued.not_before, queued.failures, queued.lost) == (State.QUEUED, LATER, 1, 0)
    assert queued.attempts[0].result_code == "EXIT_1"
    assert lifecycle.claim(queued, claim("c2", LATER)).attempt == 2


def test_a_renewal_never_moves_the_lease_back() -> None:
    held = lifecycle.holding(running())
    assert lifecycle.renew(held, NOW)["lease_until"] == held.lease_until
    assert lifecycle.renew(held, LATER + timedelta(minutes=1))["lease_until"] == LATER + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("policy", "lost", "confirm", "confirmed", "state", "outcome"),
    [
        (RetryPolicy(), 0, False, False, State.QUEUED, Outcome.LOST),
        (RetryPolicy(max_lost=3), 2, False, False, State.QUEUED, Outcome.LOST),
        (RetryPolicy(max_lost=3), 3, False, False, State.ERROR, Outcome.LOST),
        (RetryPolicy(max_lost=0), 0, False, False, State.ERROR, Outcome.LOST),
        (RetryPolicy(on_lost=OnLost.FAIL), 0, True, True, State.ERROR, Outcome.LOST),
        (RetryPolicy(on_lost=OnLost.FAIL), 0, True, False, State.QUEUED, Outcome.NOT_STARTED),
    ],
)
def test_a_lost_lease(
    policy: RetryPolicy, lost: int, confirm: bool, confirmed: bool, state: State, outcome: Outcome
) -> None:
    before = running(lost=lost, claim={"confirm": confirm, "edges": EVERY_EDGE})
    after = _apply(before, lifecycle.lose(lifecycle.holding(before), policy, confirmed=confirmed, at=LATER))
    assert (after.state, after.attempts[0].outcome) == (state, outcome)
    assert after.lost == lost + (outcome is Outcome.LOST)
    assert (after.result_code == Code.LOST) is (state is State.ERROR)
    assert (after.owes is not None) is (state is State.ERROR)


@pytest.mark.parametrize(
    ("on_lost", "started", "state", "outcome", "lost"),
    [
        (OnLost.REQUEUE, True, State.QUEUED, Outcome.RETURNED, 1),
        (OnLost.REQUEUE, False, State.QUEUED, Outcome.NOT_STARTED, 0),
        (OnLost.FAIL, True, State.ERROR, Outcome.RETURNED, 1),
        (OnLost.FAIL, False, State.QUEUED, Outcome.NOT_STARTED, 0),
    ],
)
def test_a_handed_back_event(on_lost: OnLost, started: bool, state: State, outcome: Outcome, lost: int) -> None:
    before = running()
    changes = lifecycle.hand_back(
        lifecycle.holding(before), RetryPolicy(on_lost=on_lost), started=started, message="restarted", at=LATER
    )
    after = _apply(before, changes)
    assert (after.state, after.attempts[0].outcome, after.lost) == (state, outcome, lost)


@pytest.mark.parametrize("before", [event(), running()])
def test_cancelling_ends_an_open_event(before: Event) -> None:
    after = _apply(before, lifecycle.cancel(before, EVERY_EDGE, LATER, "by an admin"))
    assert (after.state, after.result_code, after.result_message) == (State.ERROR, Code.CANCELLED, "by an admin")
    assert after.owes_event_type == "FAILED"
    assert [each.outcome for each in after.attempts] == ([Outcome.CANCELLED] if before.attempts else [])


def test_a_final_event_cannot_be_cancelled_or_rejected() -> None:
    ended = event(state=State.SUCCESS)
    with pytest.raises(IllegalMove):
        lifecycle.cancel(ended, Edges(), LATER, "")
    with pytest.raises(IllegalMove):
        lifecycle.reject(ended, Edges(), Code.QUEUE_TIMEOUT, "", LATER)


def test_a_running_event_cannot_be_rejected() -> None:
    with pytest.raises(IllegalMove):
        lifecycle.reject(running(), Edges(), Code.QUEUE_TIMEOUT, "", LATER)


def test_a_queued_event_is_nobodys() -> None:
    with pytest.raises(IllegalMove):
        lifecycle.holding(event())


def test_a_long_message_is_cut_in_the_history_and_kept_in_the_result() -> None:
    report = Report(State.ERROR, Outcome.ERROR, "E", "x" * 4000)
    ended = _apply(running(), lifecycle.finish(lifecycle.holding(running()), report, LATER))
    assert len(ended.attempts[0].result_message or "") == lifecycle.ATTEMPT_MESSAGE_CHARS
    assert len(ended.result_message or "") == 4000


def _apply(before: Event, changes: Changes) -> Event:
    return lifecycle.apply(before, changes)
