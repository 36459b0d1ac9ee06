"""Listing events: in order, over hours and shards, a page at a time, within its budget."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, timedelta
from typing import Any

import pytest

from hub.life import listing, newest_first
from hub.life.listing import Wanted
from hub.model.configuration import SourceKind
from hub.model.event import Content, Event, State
from hub.rules import ids
from hub.rules.partitions import partition_of
from hub.storage.counting import counting
from hub.storage.embedded import open_embedded
from hub.storage.partition_index import Mark
from tests.unit.configuring import BEGIN, StepClock
from tests.unit.event_book import MARGIN, Book

HOUR = timedelta(hours=1)


@pytest.fixture
async def book() -> AsyncIterator[Book]:
    clock = StepClock()
    storage = open_embedded(None, clock)
    await storage.prepare()
    yield Book(storage, clock)
    await storage.close()


async def test_nothing_is_an_empty_page(book: Book) -> None:
    page = await book.listing.page(Wanted())
    assert page.items == []
    assert page.reached is None


@pytest.mark.parametrize("shards", [1, 3, 32])
@pytest.mark.parametrize("limit", [1, 7, 100])
async def test_newest_first_over_hours_and_shards(book: Book, shards: int, limit: int) -> None:
    made = [await book.add(BEGIN - timedelta(minutes=17 * number), shards) for number in range(60)]
    assert await book.all(limit=limit) == sorted((each.id for each in made), reverse=True)


async def test_shards_of_one_hour_are_merged_when_none_is_read_to_its_end(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newest_first, "FIRST_ROWS", 6)
    monkeypatch.setattr(newest_first, "FEWEST", 2)
    made = [await book.add(BEGIN + timedelta(seconds=number), 3) for number in range(50)]
    assert await book.all() == sorted((each.id for each in made), reverse=True)


async def test_an_index_that_is_longer_than_a_page(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newest_first, "FIRST_PARTITIONS", 5)
    monkeypatch.setattr(newest_first, "PAGE", 10)
    made = [await book.add(BEGIN - timedelta(minutes=11 * number), 4) for number in range(80)]
    assert await book.all(limit=100) == sorted((each.id for each in made), reverse=True)


async def test_reads_about_two_thousand_rows_and_says_how_far_it_came(book: Book) -> None:
    made = [await book.add(BEGIN + timedelta(milliseconds=number)) for number in range(2300)]
    oldest = await book.add(BEGIN - HOUR, event_type="RARE")
    page = await book.listing.page(Wanted(event_type="rare"))
    assert page.items == []
    assert page.reached == made[2300 - newest_first.MOST_ROWS].id
    rest = await book.listing.page(Wanted(event_type="rare"), after=page.reached)
    assert [each.id for each in rest.items] == [oldest.id]
    assert rest.reached is None


async def test_begins_no_read_when_its_second_is_over(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [await book.add(BEGIN - HOUR * number) for number in range(10)]
    query = book.storage.tables.query

    async def slow(*arguments: object, **options: object) -> object:
        book.clock.seconds += 0.4
        return await query(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(book.storage.tables, "query", slow)
    page = await book.listing.page(Wanted(), limit=50)
    assert [each.id for each in page.items] == [each.id for each in made[:3]]  # one hour, then two at once
    assert page.reached is not None
    assert await book.all(limit=50) == [each.id for each in made]


async def test_the_end_of_a_time_is_found_inside_its_hour(book: Book) -> None:
    """What is older than `from` is not looked through, however much of it the hour has."""
    made = [await book.add(BEGIN + timedelta(seconds=number)) for number in range(300)]
    page = await book.listing.page(Wanted(begin=BEGIN + timedelta(seconds=290)))
    assert [each.id for each in page.items] == [each.id for each in reversed(made[290:])]
    assert page.reached is None


@pytest.mark.parametrize("past", [3000, 6000])
async def test_a_search_of_storage_ends_early_too(book: Book, monkeypatch: pytest.MonkeyPatch, past: int) -> None:
    """SUCCESS is not among what is sought: storage looks through rows for it, so many for an answer."""
    monkeypatch.setattr(newest_first, "MOST_LOOKED_THROUGH", 1000)
    done = await book.add(BEGIN, state=State.SUCCESS)
    await asyncio.gather(*(book.add(BEGIN + timedelta(milliseconds=1 + n)) for n in range(past)))
    wanted = Wanted(states=frozenset({State.SUCCESS}))
    page = await book.listing.page(wanted)
    assert page.items == []
    assert page.reached is not None
    assert await book.all(wanted) == [done.id]


@pytest.mark.parametrize("states", [(State.QUEUED, State.RUNNING), (State.ERROR,), (State.WARNING,)], ids=str)
async def test_what_waits_or_failed_is_listed_at_once_however_much_came_after_it(
    book: Book, monkeypatch: pytest.MonkeyPatch, states: tuple[State, ...]
) -> None:
    monkeypatch.setattr(listing, "MOST_ROWS", 50)
    monkeypatch.setattr(newest_first, "MOST_LOOKED_THROUGH", 50)
    sought = await book.add(BEGIN, state=states[0])
    for number in range(200):
        await book.add(BEGIN + timedelta(milliseconds=1 + number), state=State.SUCCESS)
    page = await book.listing.page(Wanted(states=frozenset(states)))
    assert ([each.id for each in page.items], page.reached) == ([sought.id], None)


@pytest.mark.parametrize("hours", [40, 80])
async def test_hours_with_little_in_them_are_read_together(book: Book, hours: int) -> None:
    made = [await book.add(BEGIN - HOUR * number) for number in range(hours)]
    turns = _count_turns(book)
    page = await book.listing.page(Wanted(), limit=31)
    assert [each.id for each in page.items] == [each.id for each in made[:31]]
    assert turns == [1, 1, 2, 4, 8, 16]  # the index, then hours


def _count_turns(book: Book) -> list[int]:
    """How many queries are asked side by side, turn by turn."""
    turns: list[int] = []
    query, running = book.storage.tables.query, 0

    async def counted(*arguments: object, **options: object) -> object:
        nonlocal running
        turns.append(1) if not running else turns.append(turns.pop() + 1)
        running += 1
        try:
            return await query(*arguments, **options)  # type: ignore[arg-type]
        finally:
            running -= 1

    book.storage.tables.query = counted  # type: ignore[method-assign, assignment]
    return turns


@pytest.mark.parametrize("hours", [10, 300])
async def test_what_is_open_is_not_sought_where_nothing_is(book: Book, hours: int) -> None:
    """Hours that upkeep has seen settled are passed over, and nothing is older than its mark."""
    for number in range(hours):
        await book.add(BEGIN - HOUR * number, state=State.SUCCESS)
    waits = await book.add(BEGIN - HOUR * (hours - 3))
    for indexed in await book.partitions.newest_first():
        if indexed.partition not in (partition_of(waits.id), partition_of(ids.new(BEGIN, 0, 1))):
            await book.partitions.settle(indexed)
    await book.partitions.write_mark(Mark(hour=partition_of(waits.id).hour))
    with counting() as spent:
        page = await book.listing.page(Wanted(states=frozenset({State.QUEUED, State.RUNNING})))
    assert [each.id for each in page.items] == [waits.id]
    assert page.reached is None
    assert spent["table.query"] <= 2 + 2 + (hours > 64)  # two hours, the index
    assert spent["table.get"] == 1  # the mark


class TestFilters:
    @pytest.fixture
    async def events(self, book: Book) -> dict[str, Event]:
        lease: dict[str, Any] = {"state": State.RUNNING, "sink": "Box", "claim_id": "c", "attempt": 1}
        return {
            "queued": await book.add(BEGIN, source="hook", correlation_id="order-7"),
            "running": await book.add(BEGIN - HOUR, **lease, lease_until=BEGIN),
            "lost": await book.add(BEGIN - HOUR * 2, **lease, lease_until=BEGIN - MARGIN),
            "failed": await book.add(
                BEGIN - HOUR * 3, state=State.ERROR, result_code="DISK_FULL", result_message="no room on C:"
            ),
            "done": await book.add(BEGIN - HOUR * 4, state=State.SUCCESS, event_type="CLEAN", sink="Box"),
        }

    @pytest.mark.parametrize(
        ("wanted", "names"),
        [
            (Wanted(), "queued running lost failed done"),
            (Wanted(states=frozenset({State.QUEUED})), "queued lost"),
            (Wanted(states=frozenset({State.RUNNING})), "running"),
            (Wanted(states=frozenset({State.ERROR})), "failed"),
            (Wanted(states=frozenset({State.ERROR, State.QUEUED})), "queued lost failed"),
            (Wanted(event_type="clean"), "done"),
            (Wanted(source="HOOK"), "queued"),
            (Wanted(sink="box"), "running lost done"),
            (Wanted(begin=BEGIN - HOUR * 2), "queued running lost"),
            (Wanted(end=BEGIN - HOUR * 2), "failed done"),
            (Wanted(begin=BEGIN - HOUR * 3, end=BEGIN - HOUR), "lost failed"),
            (Wanted(search="order-7"), "queued"),
            (Wanted(search="order"), ""),
            (Wanted(search="disk_f"), "failed"),
            (Wanted(search="ROOM"), "failed"),
            (Wanted(search="box", states=frozenset({State.SUCCESS})), "done"),
            (Wanted(search="cLEAn"), "done"),
        ],
    )
    async def test_of_every_kind(self, book: Book, events: dict[str, Event], wanted: Wanted, names: str) -> None:
        assert await book.all(wanted) == [events[name].id for name in names.split()]

    async def test_an_id_is_read_at_once(self, book: Book, events: dict[str, Event]) -> None:
        wanted = Wanted(search=events["done"].id.lower())
        assert await book.all(wanted) == [events["done"].id]
        assert await book.all(Wanted(search=events["done"].id, states=frozenset({State.ERROR}))) == []
        assert await book.all(Wanted(search=ids.new(BEGIN, 5, 1))) == []

    async def test_what_a_dead_sink_holds_is_shown_as_queued(self, book: Book, events: dict[str, Event]) -> None:
        page = await book.listing.page(Wanted())
        shown = {each.id: each.state for each in page.items}
        assert shown[events["lost"].id] is State.QUEUED
        assert shown[events["running"].id] is State.RUNNING


async def test_a_line_reads_no_payload(book: Book) -> None:
    await book.add(BEGIN, payload=Content(size=9000, inline=b"x" * 9000), result_code="OK")
    (row,) = (await book.listing.page(Wanted())).items
    assert (row.result_code, row.created_at, row.source_kind) == ("OK", BEGIN, SourceKind.WEBHOOK)
    assert row.created_at.tzinfo is UTC
