"""The account itself: one that is true has nothing to say, and each lie is found."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from tests.kills.account import Account, Mark, seconds_of, violations
from tests.kills.callers import Acknowledged
from tests.kills.plan import FOLLOW, Job

JOB = Job("KILLS_CHAIN", "1-1", 0.1, 0, 0)
ONCE = Job("KILLS_ONCE", "1-2", 0.1, 0, 0)
FLAKY = Job("KILLS_FLAKY", "1-3", 0.0, 3, 0)


def at(second: float) -> str:
    return f"2026-11-25T12:00:{second:06.3f}Z"


NOON = seconds_of(at(0))


def attempt(number: int, outcome: str, begin: float, end: float) -> dict[str, Any]:
    return {"number": number, "outcome": outcome, "started_at": at(begin), "finished_at": at(end)}


def event(event_id: str, job: Job, state: str, attempts: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    outcomes = [each["outcome"] for each in attempts]
    return {
        "id": event_id,
        "event_type": job.kind,
        "state": state,
        "payload": job.payload,
        "parent_id": None,
        "follow_on": None,
        "finished_at": attempts[-1]["finished_at"],
        "lease_until": None,
        "attempt": len(attempts),
        "attempts": attempts,
        "failures": outcomes.count("ERROR"),
        "lost": outcomes.count("LOST") + outcomes.count("RETURNED"),
        "result_code": None,
        "result_data": {
            "attempt": len(attempts),
            "token": job.token,
            "padding": "",
            "digest": hashlib.sha256(b"").hexdigest(),
        },
        **fields,
    }


def marks(event_id: str, number: int, begin: float, end: float, what: str = "SUCCESS") -> list[Mark]:
    return [Mark(event_id, number, 7, "started", NOON + begin), Mark(event_id, number, 7, what, NOON + end)]


def true_account() -> Account:
    """A sink died once, an event never started until then, a flaky one gave up; follow-ons ran."""
    follower = Job(FOLLOW, "follower", 0, 0, 0)
    return Account(
        acknowledged=[Acknowledged(name, job, NOON, NOON) for name, job in (("A", JOB), ("B", ONCE), ("C", FLAKY))],
        unanswered=1,
        half_created=(),
        events={
            "A": event(
                "A", JOB, "SUCCESS", [attempt(1, "RETURNED", 1, 3), attempt(2, "SUCCESS", 4, 6)], follow_on="A2"
            ),
            "A2": event(
                "A2",
                follower,
                "SUCCESS",
                [attempt(1, "SUCCESS", 7, 9)],
                parent_id="A",
                payload={"parent": {"id": "A"}},
                result_data={"parent": "A", "attempt": 1},
            ),
            "B": event("B", ONCE, "SUCCESS", [attempt(1, "NOT_STARTED", 1, 3), attempt(2, "SUCCESS", 4, 6)]),
            "C": event(
                "C",
                FLAKY,
                "ERROR",
                [attempt(number, "ERROR", number * 2, number * 2 + 1.5) for number in (1, 2, 3)],
                result_code="RuntimeError",
                follow_on="C2",
            ),
            "C2": event(
                "C2",
                follower,
                "SUCCESS",
                [attempt(1, "SUCCESS", 10, 12)],
                parent_id="C",
                payload={"parent": {"id": "C"}},
                result_data={"parent": "C", "attempt": 1},
            ),
        },
        logs={
            "A": ["begin 1", "begin 2", "end 2"],
            "A2": ["begin 1", "end 1"],
            "B": ["begin 2", "end 2"],
            "C": [f"{word} {number}" for number in (1, 2, 3) for word in ("begin", "end")],
            "C2": ["begin 1", "end 1"],
        },
        marks=[
            Mark("A", 1, 6, "started", NOON + 2),
            *marks("A", 2, 5, 5.5),
            *marks("A2", 1, 8, 8.5),
            *marks("B", 2, 5, 5.5),
            *(mark for number in (1, 2, 3) for mark in marks("C", number, number * 2 + 1, number * 2 + 1.1, "ERROR")),
            *marks("C2", 1, 11, 11.5),
        ],
    )


def test_a_true_account_has_nothing_to_say() -> None:
    assert violations(true_account()) == []


Lie: TypeAlias = Callable[[Any], object]
"""Changes an account, whose parts only look as if they could not be changed."""


def changed(event_id: str, **fields: Any) -> Lie:
    return lambda account: account.events[event_id].update(fields)


def outcome(event_id: str, number: int, **fields: Any) -> Lie:
    return lambda account: account.events[event_id]["attempts"][number - 1].update(fields)


def marked(*more: Mark) -> Lie:
    return lambda account: account.marks.extend(more)


def without_marks(event_id: str, what: str) -> Lie:
    def lie(account: Any) -> None:
        kept = [mark for mark in account.marks if (mark.event_id, mark.what) != (event_id, what)]
        account.marks[:] = kept

    return lie


LIES: dict[str, tuple[Lie, str]] = {
    "an acknowledged event is gone": (lambda account: account.events.pop("B"), "was acknowledged and is not there"),
    "two calls, one event": (
        lambda account: account.acknowledged.append(Acknowledged("B", JOB, NOON, NOON)),
        "acknowledged for 2 calls",
    ),
    "another payload": (changed("B", payload={"token": "x", "padding": ""}), "not what was sent"),
    "events out of nothing": (
        lambda account: account.acknowledged.__delitem__(slice(0, 2)),
        "2 events more than were acknowledged",
    ),
    "an event is not final": (changed("B", state="RUNNING", finished_at=None), "it is RUNNING"),
    "a lease outlives its event": (changed("B", lease_until=at(9)), "lease_until is"),
    "an attempt is missing": (changed("A", attempt=3), "says 3 attempts"),
    "an attempt has no end": (outcome("A", 1, finished_at=None, outcome=None), "ended as None"),
    "attempts overlap": (outcome("A", 2, started_at=at(2)), "began before the one before it had ended"),
    "it went on after a success": (outcome("A", 1, outcome="SUCCESS"), "went on after a success"),
    "a success without one": (outcome("B", 2, outcome="ERROR"), "it is SUCCESS after"),
    "losses are not counted": (changed("A", lost=0), "losses of"),
    "it gave up too early": (changed("C", failures=2), "failures and"),
    "it gave up as lost": (changed("C", result_code="LOST"), "gave up with LOST"),
    "a follow-on twice": (
        lambda account: (account.events.update(A3=account.events["A2"]), account.logs.update(A3=[])),
        "says A2 follows",
    ),
    "no follow-on": (lambda account: account.events.pop("A2"), "says A2 follows"),
    "another follow-on than it says": (changed("A", follow_on="A9"), "says A9 follows"),
    "a follow-on of somebody else": (changed("A2", payload={"parent": {"id": "B"}}), "is not what should follow A"),
    "a follow-on of nobody": (changed("A2", parent_id="Z"), "follow Z, which is not there"),
    "an attempt ran twice": (marked(Mark("A", 2, 8, "started", NOON + 5)), "attempt 2 started 2 times"),
    "a success that did not finish": (without_marks("A2", "SUCCESS"), "says SUCCESS; it started 1 times"),
    "a success that never began": (without_marks("A2", "started"), "says SUCCESS; it started 0 times"),
    "an error that did not finish": (without_marks("C", "ERROR"), "says ERROR; it started 1 times"),
    "not started, and was": (marked(*marks("B", 1, 2, 2.5)), "says it was not started, and was"),
    "started twice, which it must never": (marked(Mark("B", 1, 8, "started", NOON + 2)), "must never start twice"),
    "an attempt nobody knows": (marked(*marks("A", 9, 5, 6)), "attempt 9 ran and is not in the history"),
    "an event nobody knows": (marked(*marks("Z", 1, 5, 6)), "Z ran and is not there"),
    "what was handed back went on": (marked(Mark("A", 1, 6, "SUCCESS", NOON + 5)), "went on after it had ended"),
    "it ran before it was claimed": (outcome("A2", 1, started_at=at(8.2)), "started before it was claimed"),
    "the result of another attempt": (
        changed("A2", result_data={"parent": "A", "attempt": 2}),
        "not what its last attempt returned",
    ),
    "lines of a log are lost": (lambda account: account.logs["A2"].pop(), "the log of attempt 1"),
    "lines of a log are doubled": (
        lambda account: account.logs["A"].append("begin 1"),
        "has lines twice",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_each_lie_is_found(lie: str) -> None:
    tell, words = LIES[lie]
    account = copy.deepcopy(true_account())
    tell(account)
    assert any(words in each for each in violations(account)), violations(account)
