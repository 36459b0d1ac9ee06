"""The list of what people did: bounded, complete over its cursors, and true to its filters, in any order of clocks."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.audit import people_list
from hub.audit.attempt import Who
from hub.audit.wanted import Wanted
from hub.audit.wiring import Audit, build_audit
from hub.errors import Invalid
from hub.problems import status_of
from hub.storage.counting import counting
from hub.storage.embedded import open_embedded
from tests.contract.rig import ManualClock

BEGIN = ManualClock().now()


def opened() -> tuple[Audit, ManualClock]:
    clock, numbers = ManualClock(), itertools.count(1)
    storage = open_embedded(None, clock)
    return build_audit(storage, clock, lambda: next(numbers) * 0x9E3779B97F4A7C15F39C, status_of), clock


async def all_of(audit: Audit, wanted: Wanted, limit: int = 5) -> list[str]:
    found: list[str] = []
    after = None
    while True:
        page = await audit.people.page(wanted, after=after, limit=limit)
        assert len(page.items) <= limit
        found += [each.entry.resource for each in page.items]
        assert page.reached is None or page.searched_to is not None
        after = page.reached
        if after is None:
            return found


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_it_finds_what_fits_and_nothing_else(data: st.DataObject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.storage.audit_rows.A_PARTITION", 4)
    monkeypatch.setattr(people_list, "A_PARTITION", 4)
    monkeypatch.setattr(people_list, "MOST_ROWS", 6)
    audit, clock = opened()
    told: list[Any] = []
    for turn in range(data.draw(st.integers(0, 25))):
        clock.advance(data.draw(st.sampled_from([0.0, 60.0, 1800.0, 86_400.0])))
        wrong = data.draw(st.sampled_from([0.0, 1200.0, -1200.0]))  # several hubs write, and their clocks differ
        clock.advance(wrong)
        actor = data.draw(st.sampled_from(["users/ann", "users/bob"]))
        await audit.trail.record(Who(actor), "PUT /x", f"x/{turn}")
        told.append((clock.now(), actor, f"x/{turn}"))
        clock.advance(-wrong)
    moments = [None, *(each[0] for each in told)]
    begin, end = data.draw(st.sampled_from(moments)), data.draw(st.sampled_from(moments))
    wanted = data.draw(st.sampled_from([None, "users/ann"]))
    found = await all_of(audit, Wanted(actor=wanted, begin=begin, end=end), data.draw(st.integers(1, 9)))
    assert found == [
        resource
        for at, who, resource in reversed(told)
        if wanted in (None, who) and (begin is None or at >= begin) and (end is None or at < end)
    ]


async def test_an_answer_reads_a_bounded_number_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.storage.audit_rows.A_PARTITION", 10)
    monkeypatch.setattr(people_list, "A_PARTITION", 10)
    monkeypatch.setattr(people_list, "MOST_ROWS", 20)
    audit, _ = opened()
    for turn in range(95):
        await audit.trail.record(Who("users/ann"), "PUT /x", f"x/{turn}")
    page = await audit.people.page(Wanted(actor="nobody"), after=None, limit=5)
    assert page.items == []
    assert page.reached == "71"  # 20 and what made the newest partition full
    assert page.searched_to == BEGIN


async def test_a_time_long_ago_is_found_without_reading_what_came_since(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.storage.audit_rows.A_PARTITION", 10)
    monkeypatch.setattr(people_list, "A_PARTITION", 10)
    audit, clock = opened()
    for turn in range(400):
        clock.advance(86_400)
        await audit.trail.record(Who("users/ann"), "PUT /x", f"x/{turn}")
    with counting() as spent:
        page = await audit.people.page(Wanted(end=BEGIN + timedelta(days=31)), after=None, limit=3)
    assert [each.entry.resource for each in page.items] == ["x/29", "x/28", "x/27"]
    assert spent.total() <= 10


def test_errors_of_the_hub_have_words_and_others_have_none() -> None:
    assert status_of(Invalid("x")) == 400
    assert status_of(ValueError("x")) == 500


async def test_what_an_unforeseen_error_says_is_not_recorded() -> None:
    audit, _ = opened()

    async def surprise() -> None:
        async with audit.trail.attempt(Who("users/ann"), "PUT /x", "x"):
            raise ValueError("could not parse 'hunter2'")

    with pytest.raises(ValueError, match="hunter2"):
        await surprise()
    (told,) = (await audit.people.page(Wanted(), after=None, limit=5)).items
    assert (told.entry.result, told.entry.status, told.entry.reason) == ("FAILED", 500, None)
