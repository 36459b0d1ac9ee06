"""What is told, to whom, and under which id."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.configure.checks import check
from hub.model.configuration import EventType, SourceKind
from hub.model.event import Code, Outcome, State
from hub.model.snapshot import Snapshot
from hub.rules import alert_payloads, alerts, lifecycle
from hub.rules.alert_payloads import Failed
from hub.rules.alerts import Alert, FailureAlert
from hub.rules.lifecycle import MAX_DEPTH, Edges, Report
from tests.unit.factories import NOW, event, running

TOLD = FailureAlert("0" * 26, "HUB.FAILED")
FAILED = Report(State.ERROR, Outcome.ERROR, "EXIT_1", "no")


def _snapshot(**fields: Any) -> Snapshot:
    receiver = EventType(**{"name": "Hub.Failed", "sink_type": "P", "action": "a", **fields})
    return Snapshot("v1", event_types={receiver.name.casefold(): receiver})


@pytest.mark.parametrize("name", ["HUB.FAILED", "hub.failed", "Hub.Sink_Lost", "HUBERT", "HUB-A", "A.HUB.FAILED"])
def test_names_that_an_event_type_may_have(name: str) -> None:
    assert check(EventType(name=name, sink_type="P", action="a")) == []


@pytest.mark.parametrize("name", ["HUB.", "HUB.FAIL", "hub.other", "HUB.FAILED.2"])
def test_names_that_are_kept_for_the_hub(name: str) -> None:
    (error,) = check(EventType(name=name, sink_type="P", action="a"))
    assert error.field == "name"
    assert all(alert in error.message for alert in Alert)


def test_the_first_edge_is_what_follows_and_the_alert_only_where_nothing_does() -> None:
    edges = Edges(on_failure="HANDLER")
    held = lifecycle.holding(running(claim={"edges": edges}))
    assert "alert" not in lifecycle.finish(held, FAILED, NOW, TOLD)
    changes = lifecycle.finish(lifecycle.holding(running()), FAILED, NOW, TOLD)
    assert (changes["owes"], changes["owes_event_type"]) == (TOLD.event_id, "HUB.FAILED")
    assert changes["alert"] == TOLD.event_id
    assert "follow_on" not in changes


def test_a_handler_that_is_too_deep_handles_nothing() -> None:
    held = lifecycle.holding(running(depth=MAX_DEPTH + 1, claim={"edges": Edges(on_failure="HANDLER")}))
    changes = lifecycle.finish(held, FAILED, NOW, TOLD)
    assert (changes["owes"], changes["alert"]) == (TOLD.event_id, TOLD.event_id)
    assert changes["follow_on_skipped"]


@pytest.mark.parametrize("state", [State.SUCCESS, State.WARNING])
def test_only_a_failure_is_told_of(state: State) -> None:
    changes = lifecycle.finish(lifecycle.holding(running()), Report(state, Outcome(state.value)), NOW, TOLD)
    assert "alert" not in changes
    assert "owes" not in changes


def test_an_alert_that_is_there_is_not_owed() -> None:
    there = FailureAlert(TOLD.event_id, "HUB.FAILED", owed=False)
    changes = lifecycle.reject(event(), Edges(), Code.QUEUE_TIMEOUT, "late", NOW, there)
    assert changes["alert"] == TOLD.event_id
    assert "owes" not in changes


@given(st.floats(0, 300), st.sampled_from(["A", "a", "B"]), st.floats(0, 300), st.sampled_from(["A", "a", "B"]))
def test_one_alert_for_each_minute_and_type_whatever_its_case(at: float, name: str, then: float, other: str) -> None:
    moments = [NOW + timedelta(seconds=each) for each in (at, then)]
    first, second = (
        alerts.of_failure(each, moment, _snapshot(), silent=False)
        for each, moment in zip((name, other), moments, strict=True)
    )
    assert first is not None
    assert second is not None
    same = len({each.timestamp() // 60 for each in moments}) == 1 and name.casefold() == other.casefold()
    assert (first.event_id == second.event_id) is same
    assert first.event_type == "Hub.Failed", "as the admin wrote it"


@pytest.mark.parametrize(
    ("fields", "silent"),
    [({"enabled": False}, False), ({"sources": (SourceKind.FOLLOW_ON,)}, False), ({"name": "X"}, False), ({}, True)],
)
def test_nobody_is_told(fields: dict[str, Any], silent: bool) -> None:
    assert alerts.of_failure("A", NOW, _snapshot(**fields), silent=silent) is None


def test_what_is_known_to_be_there_is_not_owed_again() -> None:
    first = alerts.of_failure("A", NOW, _snapshot(), silent=False)
    assert first is not None
    again = alerts.of_failure("A", NOW, _snapshot(), silent=False, made={first.event_id})
    assert again == FailureAlert(first.event_id, first.event_type, owed=False)


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [("C", "m", "A failed: C: m"), (None, "m", "A failed: m"), ("C", None, "A failed: C"), (None, None, "A failed")],
)
def test_the_sentence_of_a_failure(code: str | None, message: str | None, said: str) -> None:
    assert alert_payloads.failed(_failed(code, message), None)["message"] == said


def test_a_message_of_any_length_leaves_an_alert_small() -> None:
    payload = alert_payloads.failed(_failed("C", "x" * 100_000), None)
    assert len(str(payload)) < 3 * alert_payloads.MESSAGE_CHARS
    assert payload["event"]["result_message"].endswith("…")


def _failed(code: str | None, message: str | None) -> Failed:
    return Failed("0" * 26, "A", "0" * 26, code, message, NOW, None, 0, None)
