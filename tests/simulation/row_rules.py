"""What every single write to an event's row must obey, judged on its columns before and after.

These rules are written from the protocol, not from the code: they know column names and nothing of the hub's moves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.storage.ports import Value
from tests.simulation.record import FINAL, Write
from tests.simulation.virtual_loop import seconds_at

Columns = Mapping[str, Value]
MOVES = {
    "QUEUED": frozenset({"QUEUED", "RUNNING", "ERROR"}),
    "RUNNING": frozenset({"QUEUED", "RUNNING", "SUCCESS", "WARNING", "ERROR"}),
}
AFTER_THE_END = frozenset(
    {"owes", "owes_event_type", "follow_on", "follow_on_skipped", "alert", "watched_until", "hints", "open", "reruns"}
)
"""The only columns that may change once an event is final."""
PAYLOAD = (
    "payload",
    "payload_blob",
    "payload_size",
    "id",
    "event_type",
    "created_at",
    "root_id",
    "parent_id",
    "rerun_of",
    "silent",
)
"""What never changes."""
CLOCK_TOLERANCE = 2.0
TICK = 0.002
"""Times in rows are cut to milliseconds."""


@dataclass(frozen=True)
class Clocks:
    """How far the hubs' clocks are from the run's time, in seconds."""

    slowest: float
    fastest: float


def text(columns: Columns, name: str) -> str:
    return str(columns.get(name, ""))


def moment(columns: Columns, name: str) -> float | None:
    """A time column, on the run's time."""
    value = text(columns, name)
    return seconds_at(datetime.fromisoformat(value)) if value else None


def state(columns: Columns) -> str:
    return str(columns["state"])


def number(columns: Columns, name: str) -> int:
    value = columns.get(name, 0)
    assert isinstance(value, int)
    return value


def begun(columns: Columns, attempt: int) -> Any:
    """The beginning of an attempt as the row has it, or None."""
    return json.loads(text(columns, f"begun_{attempt % 50:02d}") or "null")


def ended(columns: Columns, attempt: int) -> Any:
    """The ending of an attempt as the row has it, or None. The column may still hold an older attempt's."""
    ending = json.loads(text(columns, f"ended_{attempt % 50:02d}") or "null")
    return ending if ending is not None and ending["number"] == attempt else None


def holds_lease(columns: Columns, now: float, clocks: Clocks) -> bool:
    """Whether any hub may still believe in the lease on this row."""
    until = moment(columns, "lease_until")
    return state(columns) == "RUNNING" and until is not None and now + clocks.slowest < until


def judge(write: Write, clocks: Clocks) -> Iterator[str]:
    """What is wrong with this write, if anything."""
    before, after = write.before, write.after
    if after is None:
        assert before is not None
        yield from _removed(before)
    elif before is None:
        if state(after) != "QUEUED":
            yield f"an event began as {state(after)}"
    else:
        yield from _never_changes(before, after)
        if state(before) in FINAL:
            yield from _after_the_end(before, after)
        else:
            yield from _moved(before, after, write.at, clocks)


def _removed(before: Columns) -> Iterator[str]:
    if state(before) not in FINAL:
        yield f"an event was removed while {state(before)}"
    if text(before, "owes"):
        yield f"an event was removed while it owed {text(before, 'owes')}"


def _never_changes(before: Columns, after: Columns) -> Iterator[str]:
    for name in PAYLOAD:
        if before.get(name) != after.get(name):
            yield f"{name} was changed from {str(before.get(name))[:60]!r} to {str(after.get(name))[:60]!r}"


def _after_the_end(before: Columns, after: Columns) -> Iterator[str]:
    changed = {name for name in {*before, *after} if before.get(name, "") != after.get(name, "")}
    if wrong := changed - AFTER_THE_END:
        yield f"a final row ({state(before)}) was changed: {sorted(wrong)}"
    if text(after, "owes") and text(after, "owes") != text(before, "owes"):
        yield f"a final row began to owe {text(after, 'owes')}"


def _moved(before: Columns, after: Columns, now: float, clocks: Clocks) -> Iterator[str]:
    state_before, state_after = state(before), state(after)
    if state_after not in MOVES[state_before]:
        yield f"{state_before} became {state_after}"
        return
    same_claim = text(before, "claim_id") == text(after, "claim_id")
    if state_before == "RUNNING" and state_after == "RUNNING" and same_claim:
        yield from _renewed(before, after, now, clocks)
        return
    if state_before == "RUNNING":
        yield from _attempt_over(before, after, now, clocks)
    if state_after == "RUNNING":
        yield from _claimed(before, after, now, clocks)
    elif number(before, "attempt") != number(after, "attempt"):
        yield "the attempt's number changed without a claim"
    if state_after in FINAL and not text(after, "finished_at"):
        yield "a final row without finished_at"
    if state_after != "RUNNING" and text(after, "claim_id"):
        yield f"{state_after} under a claim"


def _renewed(before: Columns, after: Columns, now: float, clocks: Clocks) -> Iterator[str]:
    was, becomes, run_until = (moment(before, "lease_until"), moment(after, "lease_until"), moment(after, "run_until"))
    assert was is not None
    assert becomes is not None
    assert run_until is not None
    if becomes < was:
        yield f"lease_until went back by {was - becomes:.3f} s"
    lease_seconds = begun(after, number(after, "attempt"))["run"]["lease_seconds"]
    decided_at = becomes - lease_seconds  # by the clock of the hub that renewed
    if becomes > was and decided_at > run_until + TICK:
        yield f"a lease was renewed {decided_at - run_until:.3f} s after the run time-out and its grace"


def _attempt_over(before: Columns, after: Columns, now: float, clocks: Clocks) -> Iterator[str]:
    attempt = number(before, "attempt")
    ending = ended(after, attempt)
    if ending is None:
        # A takeover leaves the ending to the claim that follows it, in the same write.
        yield f"attempt {attempt} of claim {text(before, 'claim_id')[:8]} is over and its row does not say how"
        return
    if ending["claim_id"] != text(before, "claim_id"):
        yield f"attempt {attempt} was ended under claim {ending['claim_id'][:8]}, which did not hold it"
    if ending["outcome"] == "LOST" or text(after, "claim_id"):
        until = moment(before, "lease_until")
        assert until is not None
        if now + clocks.slowest < until - TICK:
            yield f"a lease was taken {until - now - clocks.slowest:.3f} s before it ended by some hub's clock"


def _claimed(before: Columns, after: Columns, now: float, clocks: Clocks) -> Iterator[str]:
    attempt = number(after, "attempt")
    if attempt != number(before, "attempt") + 1:
        yield f"attempt {number(before, 'attempt')} was followed by {attempt}"
    beginning = begun(after, attempt)
    if beginning is None or beginning["claim_id"] != text(after, "claim_id"):
        yield f"attempt {attempt} is not in the history of attempts"
    elif (ahead := seconds_at(datetime.fromisoformat(beginning["started_at"])) - now) > CLOCK_TOLERANCE:
        yield f"it was claimed by a hub whose clock is {ahead:.1f} s ahead of storage's"
    not_before = moment(before, "not_before")
    if not_before is not None and now + clocks.fastest < not_before - TICK:
        yield f"it was claimed {not_before - now:.3f} s before its time"
