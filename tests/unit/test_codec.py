from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model.event import Content, Event, Outcome, State
from hub.rules import lifecycle
from hub.rules.lifecycle import Edges, Report
from hub.storage import codec
from hub.storage.codec import Hint, UnknownFormat
from tests.unit.factories import NOW, claim, event, running

MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(MOMENTS)
def test_times_keep_their_milliseconds(at: datetime) -> None:
    cut = at.replace(microsecond=at.microsecond // 1000 * 1000)
    assert codec.time_of_text(codec.text_of_time(at)) == cut


def test_times_are_written_in_utc() -> None:
    there = datetime(2026, 11, 23, 13, tzinfo=timezone(timedelta(hours=1)))
    assert codec.text_of_time(there) == "2026-11-23T12:00:00.000Z"


def _lived() -> Event:
    """An event with two attempts behind it, final, owing a follow-on."""
    first = running(source="push", traceparent="00-a", correlation_id="c", parent_id="p", depth=2)
    lost = lifecycle.apply(
        first, lifecycle.retry(lifecycle.holding(first), Report(State.ERROR, Outcome.ERROR), NOW, NOW)
    )
    second = lifecycle.claim(lost, claim("c2", edges=Edges("NEXT")))
    report = Report(State.SUCCESS, Outcome.SUCCESS, "OK", "done", Content(size=4, inline=b"null"))
    return lifecycle.apply(second, lifecycle.finish(lifecycle.holding(second), report, NOW))


@pytest.mark.parametrize(
    "before",
    [event(), running(), _lived(), event(silent=True, alert="0" * 26), event(payload=Content(size=99_999, blob="b"))],
)
def test_an_event_comes_back_as_it_was_written(before: Event) -> None:
    assert codec.decode_event(codec.encode_event(before)) == before


def test_merging_the_changes_of_a_move_gives_the_event_that_the_move_makes() -> None:
    before = running()
    changes = lifecycle.finish(lifecycle.holding(before), Report(State.ERROR, Outcome.ERROR, "E", "no"), NOW)
    merged = {**codec.encode_event(before), **codec.encode_changes(changes)}
    assert codec.decode_event(merged) == lifecycle.apply(before, changes)


def test_a_result_in_a_blob_leaves_nothing_of_an_inline_one() -> None:
    inline = codec.encode_changes({"result_data": Content(size=2, inline=b"{}")})
    blob = codec.encode_changes({"result_data": Content(size=50_000, blob="r")})
    merged = {**codec.encode_event(event(state=State.SUCCESS)), **inline, **blob}
    assert codec.decode_event(merged).result_data == Content(size=50_000, blob="r")


@pytest.mark.parametrize(
    ("changes", "is_open"),
    [
        ({"state": State.SUCCESS}, False),
        ({"state": State.SUCCESS, "owes": "x", "owes_event_type": "T"}, True),
        ({"owes": None, "owes_event_type": None}, False),
        ({"state": State.QUEUED}, True),
    ],
)
def test_a_row_is_open_until_it_is_settled(changes: lifecycle.Changes, is_open: bool) -> None:
    assert codec.encode_changes(changes)[codec.OPEN] is is_open


def test_a_renewal_leaves_open_alone() -> None:
    assert codec.OPEN not in codec.encode_changes({"lease_until": NOW, "confirmed": True})


def test_a_row_of_a_newer_release_is_refused() -> None:
    with pytest.raises(UnknownFormat, match="format 2"):
        codec.decode_event({**codec.encode_event(event()), "format": 2})


@pytest.mark.parametrize("hint", [Hint("01ABC"), Hint("01ABC", "claim")])
def test_a_hint_comes_back_as_it_was_written(hint: Hint) -> None:
    assert codec.decode_hint(codec.encode_hint(hint)) == hint


@pytest.mark.parametrize("body", ["", "x", "[]", "{}", '{"format":1,"id":7}'])
def test_what_is_no_hint_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        codec.decode_hint(body)


def test_a_hint_of_a_newer_release_is_not_taken_for_rubbish() -> None:
    with pytest.raises(UnknownFormat):
        codec.decode_hint('{"format":2,"id":"x"}')


def test_the_row_of_an_event_with_every_attempt_fits_the_services_limit() -> None:
    current = event(payload=Content(size=48 * 1024, inline=b"x" * 48 * 1024))
    for number in range(70):
        claimed = lifecycle.claim(current, claim(f"{number:032x}"))
        report = Report(State.ERROR, Outcome.ERROR, "E" * 100, "€" * 4000, Content(size=48 * 1024, inline=b"y" * 49152))
        current = lifecycle.apply(claimed, lifecycle.retry(lifecycle.holding(claimed), report, NOW, NOW))
    columns = codec.encode_event(current)
    assert len(columns) < 252
    assert (
        sum(len(v) * 2 if isinstance(v, str) else len(v) if isinstance(v, bytes) else 8 for v in columns.values())
        < 900_000
    )
