"""What must be true of every run, whatever went wrong in it.

Rules about one write are in `row_rules.py` and are judged as it happens; here are the rules about more than one: an
event and its follow-ons, an event type's slots, what was promised to people and agents, how long events waited.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hub.model.configuration import OnLost
from tests.simulation import delays, secret_rules
from tests.simulation.alert_rules import AlertRules
from tests.simulation.book import Book, Claim
from tests.simulation.delays import Interval
from tests.simulation.faults import Hit
from tests.simulation.record import FINAL, Record, Write
from tests.simulation.row_rules import Clocks, Columns, ended, holds_lease, judge, number, state, text
from tests.simulation.scenario import Scenario
from tests.simulation.schedule_rules import ScheduleRules

REPORTED = frozenset({"SUCCESS", "WARNING", "ERROR", "RETURNED", "NOT_STARTED"})
"""Outcomes that an agent's report may have. The last is also given by the hub, to claims that were never confirmed."""
MET_AT_MOST, MET_EVERY_SECONDS = 20, 4.0
"""Messages that come too early are hidden until their time, so that nobody meets them all the time."""
LATE_SECONDS = 0.5
"""From the moment a start is counted until it is written, when nothing is wrong."""
EDGES = {"SUCCESS": "on_success", "WARNING": "on_warning", "ERROR": "on_failure"}


@dataclass(frozen=True)
class Violation:
    """Something that must never happen, and did."""

    at: float
    event_id: str
    text: str

    def __str__(self) -> str:
        return f"{self.at:.3f} s: event {self.event_id}: {self.text}"


@dataclass(frozen=True)
class End:
    """How things stood when the run was over."""

    at: float
    hits: Sequence[Hit]
    takers: dict[str, list[Interval]]
    """By sink type: when a sink was there to take work."""
    messages: int
    """Left on all queues."""
    slots: int
    """Slot rows whose lease has not ended."""
    surprises: Sequence[str]
    logs: Mapping[Claim, int]
    """How much log is kept of each attempt, in bytes."""
    audit_breaks: Sequence[str]
    """Where the audit is not as it was written."""
    released: Mapping[tuple[str, str], int]
    """What the audit says: how often a sink was given the secrets of an event."""


class Oracle:
    """Watches one run."""

    def __init__(self, scenario: Scenario, news: Callable[[], None]) -> None:
        """`news` is called at each write to an event's row."""
        self._scenario = scenario
        self._news = news
        self._clocks = Clocks(min(scenario.hubs), max(scenario.hubs))
        self.violations: list[Violation] = []
        self.record = Record(self._wrote)
        self._alerts = AlertRules(scenario, self.record)
        self._schedules = ScheduleRules(scenario, self.record)
        self.book = Book(scenario, self.complain_now, news, self._rerun_of)
        self._made: Counter[str] = Counter()
        self._ended_at: dict[str, float] = {}
        self._claimed_at: defaultdict[str, list[float]] = defaultdict(list)
        """By event type: when its attempts began."""
        self._now = 0.0

    @property
    def awaits_ticks(self) -> bool:
        """Whether a schedule has not made all its events yet."""
        return self._schedules.awaited

    def _rerun_of(self, event_id: str) -> str:
        return text(self.record.rows.get(event_id, {}), "rerun_of")

    def complain_now(self, event_id: str, what: str) -> None:
        self._complain(self._now, event_id, what)

    def _complain(self, at: float, event_id: str, what: str) -> None:
        self.violations.append(Violation(at, event_id, what))

    # --- as it happens

    def _wrote(self, write: Write) -> None:
        self._now = write.at
        self._news()
        if _mangled(write.after):
            self._complain(write.at, write.event_id, f"all that is left of the row is {sorted(write.after or ())}")
            return
        self._note_claim(write)
        for rule in (judge(write, self._clocks), self._made_once(write), self._ended(write), self._slots(write)):
            for wrong in rule:
                self._complain(write.at, write.event_id, wrong)

    def _note_claim(self, write: Write) -> None:
        before, after = write.before or {}, write.after or {}
        if text(after, "claim_id") and text(before, "claim_id") != text(after, "claim_id"):
            self._claimed_at[text(after, "event_type")].append(write.at)

    def _made_once(self, write: Write) -> Iterator[str]:
        if write.before is not None or write.after is None:
            return
        self._made[write.event_id] += 1
        if self._made[write.event_id] > 1:
            yield "it was made a second time"
        yield from self._alerts.made(write.event_id, write.after)
        parent_id = text(write.after, "parent_id")
        if parent_id:
            parent = self.record.rows.get(parent_id)
            if parent is None or text(parent, "owes") != write.event_id:
                yield f"a follow-on was made that its parent {parent_id} does not owe"

    def _ended(self, write: Write) -> Iterator[str]:
        before, after = write.before, write.after
        if after is None or state(after) not in FINAL or (before is not None and state(before) in FINAL):
            return
        self._ended_at[write.event_id] = write.at
        action = self._scenario.kind(text(after, "event_type")).action
        expected = getattr(action, EDGES[state(after)])
        yield from self._alerts.ended(write.event_id, after)
        if self._alerts.expects(after):
            return
        if (expected or "") != text(after, "owes_event_type"):
            yield f"it ended as {state(after)} and owes {text(after, 'owes_event_type')!r} instead of {expected!r}"

    def _slots(self, write: Write) -> Iterator[str]:
        after = write.after
        if after is None or state(after) != "RUNNING":
            return
        kind = text(after, "event_type")
        most = self._scenario.kind(kind).event_type.max_running
        if most is None:
            return
        rows = (row for row in self.record.rows.values() if text(row, "event_type") == kind)
        running = sum(holds_lease(row, write.at, self._clocks) for row in rows)
        if running > most:
            yield f"{running} of {kind} run at once, {most} may"

    # --- at the end

    def finish(self, end: End) -> list[Violation]:
        """All violations, those of the end included."""
        self._answers(end)
        self._reruns(end)
        self._rates(end)
        for event_id, history in self.record.history.items():
            last = history[-1].after or history[-1].before
            assert last is not None
            if _mangled(last):
                continue  # that was said when it happened
            for wrong in (
                *self._settled(last),
                *self._history(event_id, history, last),
                *self._promises(event_id, last),
            ):
                self._complain(end.at, event_id, wrong)
        if not self.violations:  # what never ended has waited for ever: that says nothing new
            self._waits(end)
        for claim, wrote in self.book.wrote.items():
            if claim[0] in self.record.rows and end.logs.get(claim, 0) != wrote:
                kept = end.logs.get(claim, 0)
                self._complain(end.at, claim[0], f"of {wrote} bytes that attempt {claim[1]} logged {kept} are kept")
        self._left_over(end)
        return self.violations

    def _left_over(self, end: End) -> None:
        """What concerns no single event's row."""
        for event_id, wrong in (
            *secret_rules.judge(self.book.gifts, self.record, self._scenario),
            *secret_rules.recorded(self.book.gifts, end.released),
            *(("-", f"the audit is broken: {each}") for each in end.audit_breaks),
            *self._alerts.left_over(),
            *self._schedules.left_over(),
        ):
            self._complain(end.at, event_id, wrong)
        for surprise in end.surprises:
            self._complain(end.at, "-", surprise)
        if end.messages:
            self._complain(end.at, "-", f"{end.messages} messages were left on the queues")
        if end.slots:
            self._complain(end.at, "-", f"{end.slots} slots were left in use")

    def _answers(self, end: End) -> None:
        """What callers were told."""
        for event_id in self.book.acknowledged:
            if event_id not in self.record.history:
                self._complain(end.at, event_id, "it was acknowledged and was never there")
        for event_id, reason in self.book.refused.items():
            self._complain(end.at, event_id, f"it was refused: {reason}")

    def _reruns(self, end: End) -> None:
        """One rerun for each event that an admin asked for under one key, and no other."""
        made: Counter[str] = Counter()
        for history in self.record.history.values():
            first = history[0].after
            assert first is not None
            made[text(first, "rerun_of")] += 1
        for event_id, rerun in self.book.rerun_answers.items():
            if text(self.record.rows.get(rerun, {}), "rerun_of") != event_id:
                self._complain(end.at, event_id, f"an admin was told that it runs again as {rerun}, which does not")
        for event_id, count in made.items():
            if event_id and count > 1:
                self._complain(end.at, event_id, f"asked for once, it was run again {count} times")

    def _rates(self, end: End) -> None:
        """In no minute more claims than may be. By so much that clocks differ and answers came late, it is shorter."""
        late = sum(hit.seconds for hit in end.hits) + LATE_SECONDS
        minute = 60.0 - (self._clocks.fastest - self._clocks.slowest) - late
        for kind in self._scenario.kinds:
            most, begun = kind.event_type.rate_per_minute, self._claimed_at[kind.name]
            for first in begun if most is not None else ():
                running = sum(first <= at < first + minute for at in begun)
                if most is not None and running > most:
                    self._complain(first, "-", f"{running} of {kind.name} began within {minute:.1f} s, {most} may")

    def _settled(self, last: Columns) -> Iterator[str]:
        if state(last) not in FINAL:
            yield f"it never ended: {state(last)} at the end of the run"
        elif text(last, "owes"):
            yield f"its follow-on {text(last, 'owes')} was never made"
        elif text(last, "follow_on") and text(last, "follow_on") not in self._made:
            yield f"its follow-on {text(last, 'follow_on')} was never made, and it owes nothing"

    def _history(self, event_id: str, history: Sequence[Write], last: Columns) -> Iterator[str]:
        last_at = history[-1].at
        claims = [
            write
            for write in history
            if write.after is not None
            and state(write.after) == "RUNNING"
            and (write.before is None or text(write.before, "claim_id") != text(write.after, "claim_id"))
        ]
        if number(last, "attempt") != len(claims):
            yield f"it was claimed {len(claims)} times and says {number(last, 'attempt')}"
        if self.record.met[event_id] > MET_AT_MOST + last_at / MET_EVERY_SECONDS * max(1, self.record.puts[event_id]):
            yield f"its messages were met {self.record.met[event_id]} times"
        if self.record.puts[event_id] > self._scenario.most_messages * self._alerts.messages(event_id):
            yield f"{self.record.puts[event_id]} messages were put for it"
        outcomes = [str((ended(last, attempt) or {}).get("outcome")) for attempt in range(1, len(claims) + 1)]
        if state(last) in FINAL:
            yield from self._counted(event_id, last, outcomes)

    def _counted(self, event_id: str, last: Columns, outcomes: Sequence[str]) -> Iterator[str]:
        """Whether its end is what its attempts and its retry policy make of it."""
        if "None" in outcomes:
            yield f"an attempt's end is not in its history: {outcomes}"
        policy = self._scenario.kind(text(last, "event_type")).event_type.retry
        lost = sum(outcome in ("LOST", "RETURNED") for outcome in outcomes)
        failed = sum(outcome in ("ERROR", "TIMED_OUT") for outcome in outcomes)
        if (number(last, "lost"), number(last, "failures")) != (lost, failed):
            yield f"it counts {number(last, 'lost')} lost and {number(last, 'failures')} failed: {outcomes}"
        if self._scenario.healthy and "LOST" in outcomes:
            yield f"a healthy agent was robbed: {outcomes}"
        code, final = text(last, "result_code"), outcomes[-1] if outcomes else ""
        if state(last) in ("SUCCESS", "WARNING"):
            if final != state(last):
                yield f"it ended as {state(last)} after an attempt that ended as {final}"
        elif code == "LOST":
            if policy.on_lost is OnLost.REQUEUE and lost <= policy.max_lost:
                yield f"it was given up as lost after {lost} losses, {policy.max_lost} are allowed"
            if policy.on_lost is OnLost.FAIL and not any(
                self.book.spans.get((event_id, attempt)) for attempt in range(1, len(outcomes) + 1)
            ):
                yield "it must never start twice, and was given up as lost before any agent had it"
        elif code not in ("CANCELLED", "QUEUE_TIMEOUT") and failed < policy.max_attempts:
            yield f"it was given up after {failed} failures, {policy.max_attempts} attempts are allowed"

    def _promises(self, event_id: str, last: Columns) -> Iterator[str]:
        """What agents and admins were told, against what the row says."""
        cancelled = text(last, "result_code") == "CANCELLED"
        answer = self.book.cancel_answers.get(event_id)
        if answer is not None and (answer == "cancelled") != cancelled:
            yield f"an admin was told {answer!r}, and it ended as {state(last)} {text(last, 'result_code')}"
        for attempt in range(1, number(last, "attempt") + 1):
            outcome = (ended(last, attempt) or {}).get("outcome")
            told = self.book.results.get((event_id, attempt))
            if told is not None and outcome not in REPORTED:
                yield f"an agent was told that attempt {attempt} is recorded as {told.state}; it is {outcome}"
            refused = self.book.lost.get((event_id, attempt))
            there = event_id in self.record.rows  # nobody remembers the reports of what retention took
            if refused is not None and there and outcome in REPORTED - {"NOT_STARTED"}:
                yield f"attempt {attempt} is recorded as {outcome}, and its agent was told {refused!r}"
        starts = sum(start.claim[0] == event_id for start in self.book.starts)
        policy = self._scenario.kind(text(last, "event_type")).event_type.retry
        if policy.on_lost is OnLost.FAIL and starts > policy.max_attempts:
            yield f"it must never start twice and was started {starts} times"

    def _waits(self, end: End) -> None:
        allowed = delays.allowance(self._scenario, end.hits)
        for event_id, history in self.record.history.items():
            first = history[0].after
            assert first is not None
            kind = self._scenario.kind(text(first, "event_type"))
            if kind.event_type.rate_per_minute is not None:
                continue  # it waits for others that began before it
            born = self._ended_at.get(text(first, "parent_id"), history[0].at)
            takers = end.takers.get(kind.event_type.sink_type, [])
            full = self._full(kind.name, kind.event_type.max_running, end.at)
            found = delays.waits(history, born, self.book, takers, full, end.at)
            bound = allowed + (delays.SLOT_FREED * len(self._scenario.posts) if full else 0.0)
            bound += delays.BASE * delays.put_off(history)
            waited = sum(wait.seconds for wait in found)
            if waited > bound and (self._scenario.ample or self._scenario.most_wait is not None):
                worst = max(found, key=lambda wait: wait.seconds)
                self._complain(
                    worst.begins,
                    event_id,
                    f"it waited {waited:.1f} s in all, {bound:.1f} s at most was to be expected;"
                    f" {worst.seconds:.1f} s of it {worst.why}",
                )

    def _full(self, kind: str, most: int | None, end: float) -> list[Interval]:
        """When as many of this event type were RUNNING as may."""
        if most is None:
            return []
        changes: list[tuple[float, int]] = []
        for history in self.record.history.values():
            for write, until in zip(history, [*(each.at for each in history[1:]), end], strict=True):
                after = write.after
                if after is not None and text(after, "event_type") == kind and state(after) == "RUNNING":
                    changes += [(write.at, 1), (until, -1)]
        found: list[Interval] = []
        running, since = 0, 0.0
        for at, change in sorted(changes):
            if running >= most:
                found.append((since, at))
            running += change
            since = at
        return delays.merged(found)


def _mangled(row: Columns | None) -> bool:
    """Whether the row has lost columns without which nothing can be said of it."""
    return row is not None and not all(text(row, name) for name in ("id", "state", "event_type"))
