"""How long events waited while nobody worked on them, and how long they may, given what went wrong.

Waiting is what the storage protocol promises bounds for. An event waits while it is queued and due and a sink that is
there could take it, and while its row says RUNNING but no agent has the task in its hands. Work, back-off, a full slot
and an empty pool are no waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from tests.simulation.book import Book
from tests.simulation.faults import CRASHES, Fault, Hit, Layer
from tests.simulation.record import Write
from tests.simulation.row_rules import moment, number, state, text
from tests.simulation.scenario import Scenario

Interval: TypeAlias = tuple[float, float]

CLOCK_MARGIN = 5.0
FIRST_VISIBILITY = 15.0
HEARD = 60.0
"""A command reaches a poll that another process holds when that ends, at latest."""
RECONCILED = 125.0
"""What needs no sink happens within two minutes and a little."""
SLOT_FREED = 15.0
"""Between two looks for a free slot."""
BASE = 6.0
"""What a faultless event may wait each time it is due: polls, idle receive loops, whole seconds, hubs whose clocks
differ, retries of a call."""
CALL_AGAIN = 6.0
"""An agent whose call failed tries again within 5 s; a caller sooner."""


@dataclass(frozen=True)
class Wait:
    """Part of an event's waiting, and why it counts."""

    begins: float
    ends: float
    why: str

    @property
    def seconds(self) -> float:
        return self.ends - self.begins


def waits(
    history: Sequence[Write], born: float, book: Book, takers: Sequence[Interval], full: Sequence[Interval], end: float
) -> list[Wait]:
    """All waiting of one event. `born`: when it should have been there (its parent's end, for a follow-on).

    `takers`: when a sink was there to take it; `full`: when its EventType had no free slot.
    """
    found = [Wait(born, history[0].at, "not created yet")] if history[0].at > born else []
    for write, until in zip(history, [*(each.at for each in history[1:]), end], strict=True):
        columns = write.after
        if columns is None:
            break
        if state(columns) == "QUEUED":
            due = max(write.at, moment(columns, "not_before") or 0.0)
            found += _pieces((due, until), "queued", takers, full)
        elif state(columns) == "RUNNING":
            held = [
                (span.since, end if span.until is None else span.until)
                for span in book.spans[write.event_id, number(columns, "attempt")]
            ]
            found += [Wait(*gap, "running, in nobody's hands") for gap in _without((write.at, until), held)]
        elif text(columns, "owes"):
            found.append(Wait(write.at, until, "owes"))
    return found


def put_off(history: Sequence[Write]) -> int:
    """How often it was queued again for later, and so had to be met once more when that came."""
    return sum(_state(before) == "RUNNING" and _is_put_off(after) for before, after in pairwise(history))


def _state(write: Write) -> str:
    return state(write.after) if write.after is not None else ""


def _is_put_off(write: Write) -> bool:
    return write.after is not None and state(write.after) == "QUEUED" and bool(moment(write.after, "not_before"))


def lost_seconds(lease_seconds: float) -> float:
    """How long an event waits whose sink has died: lease, margin, second sighting."""
    return lease_seconds + CLOCK_MARGIN + lease_seconds / 3 + 1.0


def allowance(scenario: Scenario, hits: Sequence[Hit]) -> float:
    """How long any event of this run may have waited in all."""
    if scenario.most_wait is not None:
        return scenario.most_wait
    lease = max([each.event_type.lease_seconds or 30 for each in scenario.kinds])
    away = scenario.restart_seconds[1]
    events = len(scenario.posts) + sum(post.rerun_at is not None for post in scenario.posts)
    limited = any(each.event_type.max_running is not None for each in scenario.kinds)
    left_slot = lost_seconds(lease) + SLOT_FREED if limited else 0.0
    costs = Costs(lost_seconds(lease), away, left_slot, alone=events == 1 and len(scenario.hubs) == 1)
    seconds = BASE + sum(costs.of(hit) for hit in hits)
    if len(hits) > 1 or any(each.event_type.queue_timeout_seconds for each in scenario.kinds):
        seconds += RECONCILED
    for outage in scenario.outages:
        seconds += outage.ends - outage.begins + lost_seconds(lease) + RECONCILED
    for pool in scenario.pools:
        seconds += sum(length + lost_seconds(lease) for _, length in pool.stalls)
        seconds += len(pool.drains) * (lost_seconds(lease) + away)
        seconds += len(pool.commands) * (lost_seconds(lease) + away + HEARD)
    return seconds


@dataclass(frozen=True)
class Costs:
    """How long an event may wait because of one fault."""

    lost: float
    """Until an event whose sink has died is another's."""
    away: float
    """Until a killed process is back."""
    left_slot: float
    """Until a slot is looked for again that was taken for an attempt which never began: its lease ends first."""
    alone: bool
    """There is one event and one hub: only what hit this event can make it wait, and a hub knows an agent's restart."""

    def of(self, hit: Hit) -> float:
        match hit.step.layer:
            case Layer.STORAGE:
                return self._storage(hit) + (self.left_slot if _may_leave_slot(hit) else 0.0)
            case Layer.NETWORK:
                if hit.step.what == "poll" and hit.fault is not Fault.FAIL:
                    return hit.seconds + self.lost
                return hit.seconds + CALL_AGAIN
            case Layer.AGENT:
                return self._agent(hit)

    def _agent(self, hit: Hit) -> float:
        if hit.fault in (Fault.GONE_BEFORE, Fault.GONE_AFTER):
            return 2 * self.lost  # the poll that a dead agent has open may be given the event once more
        unwritten = hit.step.what == "WriteJournal" and hit.fault is Fault.CRASH_BEFORE
        # The report may have made a follow-on, which the poll that the dead process left open may be given.
        reported = hit.step.what == "SendReport" and hit.fault is Fault.CRASH_AFTER
        return self.away + (CALL_AGAIN if self.alone and not unwritten and not reported else self.lost)

    def _storage(self, hit: Hit) -> float:
        if hit.fault in CRASHES:
            return self.away + self.lost
        claim = hit.step.what == "table.replace events"
        if claim and hit.fault in (Fault.LOST, Fault.DUPLICATE):
            return hit.seconds + CALL_AGAIN  # read again: my claim id means I won
        if claim and hit.fault in (Fault.LATE, Fault.SLOW, Fault.SLOW_AFTER):
            return hit.seconds + self.lost
        # A row that is still missing doubles the wait for it each time.
        return 2 * hit.seconds + FIRST_VISIBILITY + CALL_AGAIN


def _may_leave_slot(hit: Hit) -> bool:
    """Whether a slot may have been taken and nobody knows it, or nobody is left to run with it."""
    step = hit.step.what
    return hit.fault in CRASHES or step == "table.replace events" or step.endswith(" slots")


def _pieces(whole: Interval, why: str, takers: Sequence[Interval], full: Sequence[Interval]) -> list[Wait]:
    pieces: list[Wait] = []
    for begins, ends in takers:
        here = (max(whole[0], begins), min(whole[1], ends))
        pieces += [Wait(*piece, why) for piece in _without(here, full)]
    return pieces


def _without(whole: Interval, holes: Sequence[Interval]) -> list[Interval]:
    """What is left of an interval without these."""
    left: list[Interval] = []
    begins, end = whole
    for hole in sorted(holes):
        if hole[0] > begins:
            left.append((begins, min(hole[0], end)))
        begins = max(begins, hole[1])
    left.append((begins, end))
    return [(start, stop) for start, stop in left if stop > start]


def merged(intervals: Sequence[Interval]) -> list[Interval]:
    """The same time in as few intervals as it takes."""
    joined: list[Interval] = []
    for begins, ends in sorted(intervals):
        if joined and begins <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], ends))
        else:
            joined.append((begins, ends))
    return joined
