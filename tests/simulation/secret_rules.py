"""What must be true of secrets: they are given to who holds the event, while it holds it, and to nobody else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tests.simulation.book import Gift
from tests.simulation.delays import CLOCK_MARGIN
from tests.simulation.record import Record, Write
from tests.simulation.row_rules import CLOCK_TOLERANCE, ended, moment, number, state, text
from tests.simulation.scenario import Scenario


def judge(gifts: Sequence[Gift], record: Record, scenario: Scenario) -> Iterator[tuple[str, str]]:
    """Event ids, each with what was wrong."""
    for gift in gifts:
        event_id, attempt = gift.claim
        if not any(_held(gift, *each) for each in _versions(record.history[event_id])):
            yield event_id, f"the secrets of attempt {attempt} were given to {gift.sink}, who did not hold it"
    given = {gift.claim for gift in gifts}
    needy = {kind.name for kind in scenario.kinds if kind.action.parameters}
    for event_id, history in record.history.items():
        last = history[-1].after or history[-1].before
        assert last is not None
        if text(last, "event_type") not in needy:
            continue  # or so mangled that nobody can tell, which was said when it happened
        for attempt in range(1, number(last, "attempt") + 1):
            outcome = (ended(last, attempt) or {}).get("outcome")
            if outcome == "RETURNED" and (event_id, attempt) not in given:
                yield event_id, f"attempt {attempt} was handed back as started, and never had its secrets"


def recorded(gifts: Sequence[Gift], released: Mapping[tuple[str, str], int]) -> Iterator[tuple[str, str]]:
    """Whatever was given is in the audit. It may say more than that: of an answer that did not arrive."""
    given = Counter((gift.claim[0], gift.sink) for gift in gifts)
    for (event_id, sink), times in given.items():
        if released.get((event_id, sink), 0) < times:
            yield event_id, f"its secrets were given to {sink} {times} times, and the audit does not say so"


def _versions(history: Sequence[Write]) -> Iterator[tuple[Write, float]]:
    """Each version of the row, and until when it stood."""
    for place, write in enumerate(history):
        yield write, history[place + 1].at if place + 1 < len(history) else float("inf")


def _held(gift: Gift, write: Write, until: float) -> bool:
    """Whether there was a moment between question and answer in which this version says that the sink holds it."""
    row = write.after
    if row is None or state(row) != "RUNNING":
        return False
    if (number(row, "attempt"), text(row, "sink")) != (gift.claim[1], gift.sink):
        return False
    leased_until = (moment(row, "lease_until") or 0.0) + CLOCK_MARGIN + CLOCK_TOLERANCE
    return max(gift.asked_at, write.at) <= min(gift.at, until, leased_until)
