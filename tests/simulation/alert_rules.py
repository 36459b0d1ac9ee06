"""What must be true of alerts: one for all failures of an event type in a minute, none lost, none doubled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from tests.simulation.record import FINAL, Record
from tests.simulation.row_rules import Columns, state, text
from tests.simulation.scenario import FAILED, Scenario


class AlertRules:
    """Watches who owes which alert."""

    def __init__(self, scenario: Scenario, record: Record) -> None:
        self._scenario = scenario
        self._record = record
        self._wanted = any(kind.name == FAILED for kind in scenario.kinds)
        self._of: dict[tuple[str, str], str] = {}
        """By event type and minute: the alert that the first failure of it named."""
        self._named_by: defaultdict[str, set[str]] = defaultdict(set)

    def expects(self, after: Columns) -> bool:
        """Whether somebody must be told of this end."""
        kind = text(after, "event_type")
        handled = self._scenario.kind(kind).action.on_failure is not None
        failed = state(after) == "ERROR" and text(after, "result_code") != "CANCELLED"
        return self._wanted and failed and not handled and kind != FAILED

    def ended(self, event_id: str, after: Columns) -> Iterator[str]:
        """What is wrong with what a row says at its end."""
        alert = text(after, "alert")
        if not self.expects(after):
            if alert:
                yield f"it ended as {state(after)} and names the alert {alert}"
            return
        if not alert:
            yield "it failed, and nobody will be told"
            return
        minute = text(after, "event_type"), text(after, "finished_at")[:16]
        self._named_by[alert].add(event_id)
        if self._of.setdefault(minute, alert) != alert:
            yield f"it names the alert {alert}, and another of {minute} names {self._of[minute]}"
        if len({each for each in self._of if self._of[each] == alert}) > 1:
            yield f"its alert {alert} is that of another minute or type, too"
        if text(after, "owes") not in ("", alert):
            yield f"it failed and owes {text(after, 'owes')} instead of its alert {alert}"
        if not text(after, "owes") and alert not in self._record.history:
            yield f"it does not owe its alert {alert}, which is not there"

    def made(self, event_id: str, after: Columns) -> Iterator[str]:
        """What is wrong with an alert that is made."""
        if text(after, "event_type") != FAILED:
            return
        owing = [each for each, row in self._record.rows.items() if text(row, "owes") == event_id]
        if not owing:
            yield "an alert was made that nobody owes"

    def messages(self, event_id: str) -> int:
        """How many events may have put messages for it."""
        return max(1, len(self._named_by[event_id]))

    def left_over(self) -> Iterator[tuple[str, str]]:
        """Event ids, each with what was wrong at the end of the run."""
        for (event_type, minute), alert in self._of.items():
            told: Mapping[str, object] = self._record.rows.get(alert, {})
            if alert not in self._record.history:
                yield alert, f"the alert of {event_type} in {minute} was never made"
            elif told and told.get("state") not in FINAL:
                yield alert, f"the alert of {event_type} in {minute} never ran"
