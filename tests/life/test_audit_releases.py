"""Secret releases in the audit: recorded before they are given, in chains that hold, and found again."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import pytest

from hub.audit import release_list
from hub.audit.attempt import Who
from hub.audit.release_list import ReleaseList, WantedRelease
from hub.audit.releases import MOST_IN_ONE, Releases
from hub.audit.wanted import Wanted
from hub.errors import NexomaticError
from hub.model.audit import AuditEntry, GivenSecret
from hub.rules import audit_chain
from hub.rules.audit_chain import START, Point
from hub.storage.embedded import open_embedded
from hub.storage.ports import Storage, Tables
from hub.storage.release_rows import ReleaseRows
from tests.contract.rig import ManualClock
from tests.life.faulty_tables import FaultyTables, Killed, Wrong

_numbers = itertools.count(1)
BOX = Who("sinks/box", "10.0.0.1")


def process(tables: Any, clock: ManualClock) -> Releases:
    return Releases(ReleaseRows(cast(Tables, tables)), clock, lambda: next(_numbers) * 0x9E3779B97F4A7C15)


def given(*names: str, version: str = "v1") -> Sequence[GivenSecret]:
    return [GivenSecret(name=name, version=version) for name in names]


async def chains_of(storage: Storage) -> dict[str, list[AuditEntry]]:
    """The entries of every chain, the oldest first, from chains that hold from hour to hour."""
    rows = ReleaseRows(storage.tables)
    found: dict[str, list[AuditEntry]] = {}
    points: dict[str, Point] = {}
    for part in sorted(await rows.parts(limit=1000), key=lambda each: each.hour):
        links = [each.link for each in await rows.page(part, limit=1000)][::-1]
        points[part.chain], broken = audit_chain.follow(part.chain, points.get(part.chain, START), links)
        assert broken is None
        found.setdefault(part.chain, []).extend(audit_chain.decode(each.body) for each in links)
    return found


async def everything(storage: Storage, clock: ManualClock, wanted: WantedRelease, limit: int = 200) -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    after = None
    while True:
        page = await ReleaseList(ReleaseRows(storage.tables), clock).page(wanted, after=after, limit=limit)
        assert len(page.items) <= limit
        entries += [each.entry for each in page.items]
        assert page.reached is None or page.reached != after
        after = page.reached
        if after is None:
            return entries


@pytest.mark.parametrize("wrong", Wrong)
async def test_whatever_goes_wrong_the_chain_holds_and_what_was_given_is_in_it(wrong: Wrong) -> None:
    for number in range(1, 20):
        clock = ManualClock()
        storage = open_embedded(None, clock)
        tables = FaultyTables(storage.tables, number, wrong)
        releases = process(tables, clock)
        recorded = []
        for turn in range(6):
            clock.advance(1200)
            try:
                await releases.record(BOX, f"EVENT{turn}", given("a"))
            except (NexomaticError, Killed):
                continue
            recorded.append(f"events/EVENT{turn}")
        if len(tables.asked) < number:
            break  # it asked for no more: every operation was tried
        entries = next(iter((await chains_of(storage)).values()), [])
        told = [each.resource for each in entries]
        assert set(recorded) <= set(told), (wrong, number)
        assert len(told) == len(set(told)), (wrong, number)
        listed = [each.resource for each in await everything(storage, clock, WantedRelease(Wanted()))]
        assert listed == told[::-1], (wrong, number)
        await storage.close()
    assert number > 8


async def test_it_costs_one_insert_and_one_more_in_an_hours_first() -> None:
    clock = ManualClock()
    storage = open_embedded(None, clock)
    releases = process(storage.tables, clock)
    spent = []
    for seconds in (0, 1, 1, 3600, 1):
        clock.advance(seconds)
        before = storage.operations.by_kind()
        await releases.record(BOX, "EVENT", given("a", "b"))
        spent.append(dict(storage.operations.by_kind() - before))
    assert spent == [{"table.insert": each} for each in (2, 1, 1, 2, 1)]


async def test_many_at_once_in_one_process_are_one_chain() -> None:
    clock = ManualClock()
    storage = open_embedded(None, clock)
    releases = process(storage.tables, clock)
    await asyncio.gather(*(releases.record(BOX, f"EVENT{turn}", given("a")) for turn in range(20)))
    ((chain, entries),) = (await chains_of(storage)).items()
    assert [each.seq for each in entries] == list(range(1, 21))
    assert {each.chain for each in entries} == {chain}


async def test_more_secrets_than_an_entry_holds_are_told_in_several() -> None:
    clock = ManualClock()
    storage = open_embedded(None, clock)
    names = [f"{'n' * 120}{number}" for number in range(MOST_IN_ONE * 3 + 1)]
    await process(storage.tables, clock).record(BOX, "EVENT", given(*names, version="f" * 64))
    (entries,) = (await chains_of(storage)).values()
    assert [each.name for entry in entries for each in entry.secrets] == names


async def test_a_clock_that_is_set_back_brings_nothing_out_of_order() -> None:
    clock = ManualClock()
    storage = open_embedded(None, clock)
    releases = process(storage.tables, clock)
    for turn, seconds in enumerate((0, -7200, 10, 7300)):
        clock.advance(seconds)
        await releases.record(BOX, f"EVENT{turn}", given("a"))
    (entries,) = (await chains_of(storage)).values()
    assert [each.resource[-1] for each in entries] == list("0123")
    assert [each.at for each in entries] == sorted(each.at for each in entries)


@pytest.mark.parametrize("limit", [1, 3, 7, 200])
async def test_the_list_is_that_of_all_processes_newest_first(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_list, "ROWS_A_READ", 3)
    monkeypatch.setattr(release_list, "PARTS_A_READ", 2)
    monkeypatch.setattr(release_list, "MOST_ROWS", 10)
    clock = ManualClock()
    storage = open_embedded(None, clock)
    processes = [process(storage.tables, clock) for _ in range(3)]
    told = []
    for turn in range(40):
        clock.advance((0, 0, 700, 4000)[turn % 4])  # several at one moment, several in an hour, hours without any
        name, version = f"s{turn % 3}", f"v{turn % 2}"
        await processes[turn * 7 % 3].record(Who(f"sinks/{turn % 4}"), f"E{turn}", given(name, version=version))
        told.append((clock.now(), name, version, turn % 4, f"events/E{turn}"))

    async def found(wanted: WantedRelease) -> list[str]:
        entries = await everything(storage, clock, wanted, limit)
        assert [each.at for each in entries] == sorted((each.at for each in entries), reverse=True)
        return sorted(each.resource for each in entries)

    half = told[20][0]
    assert await found(WantedRelease(Wanted())) == sorted(each[4] for each in told)
    assert await found(WantedRelease(Wanted(), "S1")) == sorted(each[4] for each in told if each[1] == "s1")
    assert await found(WantedRelease(Wanted(), "s1", "v0")) == sorted(
        each[4] for each in told if each[1:3] == ("s1", "v0")
    )
    assert await found(WantedRelease(Wanted(actor="sinks/2"))) == sorted(each[4] for each in told if each[3] == 2)
    assert await found(WantedRelease(Wanted(begin=half))) == sorted(each[4] for each in told if each[0] >= half)
    assert await found(WantedRelease(Wanted(end=half))) == sorted(each[4] for each in told if each[0] < half)


async def test_times_in_the_middle_of_nowhere_cost_little() -> None:
    clock = ManualClock()
    storage = open_embedded(None, clock)
    releases = process(storage.tables, clock)
    await releases.record(BOX, "OLD", given("a"))
    clock.advance(timedelta(days=400).total_seconds())
    await releases.record(BOX, "NEW", given("a"))
    before = storage.operations.total
    assert [each.resource for each in await everything(storage, clock, WantedRelease(Wanted()))] == [
        "events/NEW",
        "events/OLD",
    ]
    assert storage.operations.total - before == 3
