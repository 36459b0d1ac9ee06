"""The full account: what callers were told, what the hub says became of it, and what the marks on the disk say ran.

Pure: documents in, broken promises out.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.kills.callers import Acknowledged
from tests.kills.plan import BY_NAME, FOLLOWER, Kind

REPORTED = ("SUCCESS", "ERROR")
"""Outcomes that a sink can only report of work that came to its end."""
UNREPORTED = ("LOST", "RETURNED", "NOT_STARTED")
ROUNDING_SECONDS = 0.01
"""Times in documents are cut to milliseconds."""

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Mark:
    """What user code left on the disk when it began or ended."""

    event_id: str
    attempt: int
    pid: int
    what: str
    at: float


@dataclass(frozen=True)
class Account:
    """Everything that is known when a run is over."""

    acknowledged: Sequence[Acknowledged]
    unanswered: int
    half_created: Collection[str]
    """Events whose creation was cut off before anybody was told of them; they are not among `events`."""
    events: Mapping[str, Document]
    logs: Mapping[str, Sequence[str]]
    """The lines of each event's log."""
    marks: Sequence[Mark]


def read_marks(folder: Path) -> list[Mark]:
    """The marks that `marks.py` left."""
    found = []
    for path in folder.iterdir():
        if not path.name.startswith("."):  # one that was being written when its process was killed
            event_id, attempt, pid, what = path.name.split(".")
            found.append(Mark(event_id, int(attempt), int(pid), what, json.loads(path.read_text())["at"]))
    return found


def told_violations(account: Account) -> list[str]:
    """The same, without what the marks say: where a backup was restored, more has run than the hub knows of."""
    found = [*_acknowledged(account), *_follow_ons(account.events)]
    for event_id, event in account.events.items():
        kind = BY_NAME[event["event_type"]]
        words = [*_final(event), *_history(event), *_counts(event, kind)]
        if event["state"] == "SUCCESS":
            words += _result(event, kind)
        found += [f"{event_id} {event['event_type']}: {each}" for each in words]
    return found


def violations(account: Account) -> list[str]:
    """Every promise that was broken, in words; nothing, if all were kept."""
    marks: dict[str, list[Mark]] = defaultdict(list)
    for mark in account.marks:
        marks[mark.event_id].append(mark)
    found = [*_acknowledged(account), *_strays(account, marks), *_follow_ons(account.events)]
    for event_id, event in account.events.items():
        kind = BY_NAME[event["event_type"]]
        words = [
            *_final(event),
            *_history(event),
            *_counts(event, kind),
            *_really_ran(event, kind, marks[event_id]),
            *_log(event, account.logs[event_id]),
        ]
        found += [f"{event_id} {event['event_type']}: {each}" for each in words]
    return found


# --- what callers were told


def _acknowledged(account: Account) -> Iterator[str]:
    ids = [each.event_id for each in account.acknowledged]
    for event_id, times in Counter(ids).items():
        if times > 1:
            yield f"{event_id} was acknowledged for {times} calls"
    for each in account.acknowledged:
        event = account.events.get(each.event_id)
        if event is None:
            yield f"{each.event_id} was acknowledged and is not there"
        elif event["payload"] != each.job.payload or event["event_type"] != each.job.kind:
            yield f"{each.event_id} is not what was sent: {each.job.token}"
    fired = [event_id for event_id, event in account.events.items() if event["parent_id"] is None]
    extra = len(set(fired) - set(ids)) + len(account.half_created)
    if extra > account.unanswered:
        yield f"{extra} events more than were acknowledged, but only {account.unanswered} calls were not answered"


def _strays(account: Account, marks: Mapping[str, Sequence[Mark]]) -> Iterator[str]:
    for event_id in marks.keys() - account.events.keys() - set(account.half_created):
        yield f"{event_id} ran and is not there"


# --- what the hub says


def _final(event: Document) -> Iterator[str]:
    if event["state"] not in REPORTED:
        yield f"it is {event['state']}"
    for name, is_set in (("finished_at", True), ("lease_until", False)):
        if (event[name] is not None) is not is_set:
            yield f"{name} is {event[name]}"


def _history(event: Document) -> Iterator[str]:
    attempts = event["attempts"]
    if [each["number"] for each in attempts] != list(range(1, event["attempt"] + 1)):
        yield f"it says {event['attempt']} attempts and lists {[each['number'] for each in attempts]}"
    ended = None
    for each in attempts:
        if each["outcome"] not in (*REPORTED, *UNREPORTED):
            yield f"attempt {each['number']} ended as {each['outcome']}"
        if each["finished_at"] is None or each["finished_at"] < each["started_at"]:
            yield f"attempt {each['number']} lasted from {each['started_at']} to {each['finished_at']}"
        if ended is not None and each["started_at"] < ended:
            yield f"attempt {each['number']} began before the one before it had ended"
        ended = each["finished_at"]
    outcomes = [each["outcome"] for each in attempts]
    if "SUCCESS" in outcomes[:-1]:
        yield f"it went on after a success: {outcomes}"
    expected = ("SUCCESS",) if event["state"] == "SUCCESS" else ("ERROR", "LOST", "RETURNED")
    if not outcomes or outcomes[-1] not in expected:
        yield f"it is {event['state']} after {outcomes}"


def _counts(event: Document, kind: Kind) -> Iterator[str]:
    outcomes = Counter(each["outcome"] for each in event["attempts"])
    if event["failures"] != outcomes["ERROR"] or event["lost"] != outcomes["LOST"] + outcomes["RETURNED"]:
        yield f"it counts {event['failures']} failures and {event['lost']} losses of {dict(outcomes)}"
    if event["state"] != "ERROR":
        return
    was_lost = event["attempts"][-1]["outcome"] in UNREPORTED
    spent = (1 if kind.starts_once else kind.max_lost + 1) if was_lost else kind.max_attempts
    if event["lost" if was_lost else "failures"] != spent or (event["result_code"] == "LOST") is not was_lost:
        yield f"it gave up with {event['result_code']} after {dict(outcomes)}"


def _follow_ons(events: Mapping[str, Document]) -> Iterator[str]:
    children: dict[str, list[str]] = defaultdict(list)
    for event_id, event in events.items():
        if event["parent_id"] is not None:
            children[event["parent_id"]].append(event_id)
    for event_id, event in events.items():
        follower = BY_NAME[event["event_type"]].follower(event["state"])
        expected = [event["follow_on"]] if follower else []
        if children.pop(event_id, []) != expected or (event["follow_on"] is None) is not (follower is None):
            yield f"{event_id} {event['event_type']} says {event['follow_on']} follows, which is not what there is"
        for child in expected:
            if child in events and (events[child]["event_type"] != follower or not _names_parent(events[child])):
                yield f"{child} is not what should follow {event_id}"
    for parent, orphans in children.items():
        yield f"{', '.join(orphans)} follow {parent}, which is not there"


def _names_parent(child: Document) -> bool:
    named: bool = child["payload"]["parent"]["id"] == child["parent_id"]
    return named


# --- what really ran


def _really_ran(event: Document, kind: Kind, marks: Sequence[Mark]) -> Iterator[str]:
    numbers = {each["number"] for each in event["attempts"]}
    for stray in {mark.attempt for mark in marks} - numbers:
        yield f"attempt {stray} ran and is not in the history"
    for each in event["attempts"]:
        yield from _attempt(each, [mark for mark in marks if mark.attempt == each["number"]])
    starts = [mark for mark in marks if mark.what == "started"]
    if kind.starts_once and len(starts) > 1:
        yield f"it must never start twice and started {len(starts)} times"
    if event["state"] == "SUCCESS":
        yield from _result(event, kind)


def _attempt(attempt: Document, marks: Sequence[Mark]) -> Iterator[str]:
    number, outcome = attempt["number"], attempt["outcome"]
    starts = [mark.at for mark in marks if mark.what == "started"]
    ends = {mark.what: mark.at for mark in marks if mark.what != "started"}
    if len(starts) > 1:
        yield f"attempt {number} started {len(starts)} times"
    if outcome in REPORTED and (len(starts) != 1 or list(ends) != [outcome]):
        yield f"attempt {number} says {outcome}; it started {len(starts)} times and ended as {list(ends)}"
    if outcome == "NOT_STARTED" and marks:
        yield f"attempt {number} says it was not started, and was"
    if any(at < seconds_of(attempt["started_at"]) for at in starts):
        yield f"attempt {number} started before it was claimed"
    # Who was cut off may go on for a while; what was handed back has ended, one way or the other.
    if outcome != "LOST" and any(at > seconds_of(attempt["finished_at"]) + ROUNDING_SECONDS for at in ends.values()):
        yield f"attempt {number} went on after it had ended as {outcome}"


def _result(event: Document, kind: Kind) -> Iterator[str]:
    result = event["result_data"]
    expected: dict[str, Any] = {"attempt": event["attempt"]}
    if kind is FOLLOWER:
        expected["parent"] = event["parent_id"]
    else:
        padding = event["payload"]["padding"]
        expected |= {
            "token": event["payload"]["token"],
            "padding": padding,
            "digest": hashlib.sha256(padding.encode()).hexdigest(),
        }
    if result != expected:
        yield f"its result is not what its last attempt returned: {str(result)[:300]}"


def _log(event: Document, lines: Sequence[str]) -> Iterator[str]:
    for each in event["attempts"]:
        number = each["number"]
        counted = [lines.count(f"{word} {number}") for word in ("begin", "end")]
        if each["outcome"] in REPORTED and counted != [1, 1]:
            yield f"the log of attempt {number} is not what it wrote: {counted}"
        if max(counted) > 1:
            yield f"the log of attempt {number} has lines twice"


def seconds_of(text: str | None) -> float:
    """A document's time in seconds since 1970; far away for one that is not there."""
    return datetime.fromisoformat(text or "9999-01-01T00:00:00+00:00").timestamp()
