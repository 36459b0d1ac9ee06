"""Searches: what they find, where they end and go on, on every engine; and that the embedded one uses its indexes."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from hub.errors import LimitExceeded
from hub.storage import keys
from hub.storage.keys import EVENTS
from hub.storage.ports import Delete, Insert, Put, Replace, Storage, Value, Values
from tests.contract.rig import Partition, unique


@pytest.fixture
def events(storage: Storage) -> Partition:
    """A partition of the events' table, where some rows are sought."""
    return Partition(storage.tables, EVENTS, unique("h"))


async def fill(partition: Partition, rows: dict[str, Values]) -> None:
    changes = [Insert(key, values) for key, values in rows.items()]
    for start in range(0, len(changes), 100):
        await partition.tables.transact(partition.table, partition.name, changes[start : start + 100])


async def found(partition: Partition, where: Values, limit: int = 1000, most: int = 1000) -> list[str]:
    """All pages of a search, one after another."""
    keys_, after = list[str](), ""
    while True:
        page = await partition.tables.search(
            partition.table, partition.name, where=where, after=after, limit=limit, most=most
        )
        assert len(page.rows) <= limit
        assert all(after < row.key for row in page.rows)
        keys_ += [row.key for row in page.rows]
        if page.reached is None:
            return keys_
        assert page.reached > after
        assert not page.rows or page.rows[-1].key <= page.reached
        after = page.reached


ROWS: dict[str, Values] = {
    f"{number:04d}": {"state": "ERROR" if number % 7 == 3 else "SUCCESS", "open": number % 40 == 0, "number": number}
    for number in range(200)
}


@pytest.mark.parametrize(
    "where",
    [{"state": "ERROR"}, {"state": "SUCCESS"}, {"open": True}, {"open": False, "state": "ERROR"}, {"number": 7}],
)
@pytest.mark.parametrize("options", [{}, {"limit": 3}, {"limit": 5, "most": 9}, {"limit": 1, "most": 1}])
async def test_every_row_is_found_once_and_in_order(
    events: Partition, where: dict[str, Value], options: dict[str, int]
) -> None:
    await fill(events, ROWS)
    wanted = [key for key, values in ROWS.items() if where.items() <= dict(values).items()]
    assert await found(events, where, **options) == wanted


async def test_only_the_columns_asked_for_are_read(events: Partition) -> None:
    await fill(events, ROWS)
    page = await events.tables.search(EVENTS, events.name, where={"open": True}, select=["number"], limit=2)
    assert [dict(row.values) for row in page.rows] == [{"number": 0}, {"number": 40}]
    assert page.rows[0].etag == (await events.get("0000")).etag


async def test_an_empty_partition_has_nothing_to_find(events: Partition) -> None:
    page = await events.tables.search(EVENTS, events.name, where={"open": True})
    assert (page.rows, page.reached) == ([], None)


async def test_it_ends_early_where_nothing_is_found(events: Partition, engine: str) -> None:
    if engine == "azure":
        pytest.skip("the service itself decides how far it looks: up to 5 s")
    await fill(events, ROWS)
    page = await events.tables.search(EVENTS, events.name, where={"number": 199}, most=50)
    assert (page.rows, page.reached) == ([], "0049")
    page = await events.tables.search(EVENTS, events.name, where={"number": 199}, after="0149", most=50)
    assert [row.key for row in page.rows] == ["0199"]


@pytest.mark.parametrize("where", [{"open": True}, {"state": "ERROR"}, {"state": "WARNING"}], ids=str)
async def test_what_is_sought_is_found_however_much_lies_before_it(
    events: Partition, engine: str, where: dict[str, Value]
) -> None:
    """What waits, what failed, what somebody should look at: what is settled is in none of their indexes."""
    if engine == "azure":
        pytest.skip("the service has no such index")
    settled: dict[str, Value] = {"open": False, "state": "SUCCESS"}
    await fill(events, {**{f"{number:04d}": settled for number in range(200)}, "0200": {**settled, **where}})
    page = await events.tables.search(EVENTS, events.name, where=where, most=50)
    assert ([row.key for row in page.rows], page.reached) == (["0200"], None)


@pytest.mark.parametrize(("limit", "most"), [(0, 1), (1001, 1), (1, 0)])
async def test_what_may_not_be_asked(events: Partition, limit: int, most: int) -> None:
    with pytest.raises(LimitExceeded):
        await events.tables.search(EVENTS, events.name, where={"open": True}, limit=limit, most=most)


# --- what is sought follows every write -------------------------------------------------------------------------------

KINDS: Sequence[Values] = [dict([kind]) for kind in keys.SOUGHT]
VALUES: Sequence[dict[str, Value]] = [
    {"open": True, "state": "QUEUED"},
    {"open": False, "state": "SUCCESS"},
    {"open": True, "state": "ERROR", "owes": "x"},
    {"open": False, "state": "ERROR"},
    {"open": False, "state": "WARNING"},
    {"state": "WARNING", "text": '"open":true'},
    {"open": 1, "state": "error"},
    {},
]


async def test_what_is_sought_is_what_the_rows_are_after_any_writes(events: Partition) -> None:
    draw, rows = random.Random(5), dict[str, dict[str, Value]]()
    for _ in range(120):
        await _write_one(events, draw, rows)
    for where in KINDS:
        wanted = sorted(key for key, values in rows.items() if _has(values, where))
        assert await found(events, where) == wanted


async def test_what_is_sought_stays_so_when_other_columns_are_merged(events: Partition) -> None:
    etag = await events.insert("k", open=True, state="ERROR")
    await events.merge("k", etag, text="x")
    assert await found(events, {"open": True}) == ["k"]
    assert await found(events, {"state": "ERROR"}) == ["k"]


async def _write_one(events: Partition, draw: random.Random, rows: dict[str, dict[str, Value]]) -> None:
    key, values = str(draw.randrange(12)), draw.choice(VALUES)
    there = key in rows
    etag = (await events.get(key)).etag if there else ""
    match draw.randrange(8) if there else draw.choice((0, 1)):
        case 0:
            await events.put(key, **values)
        case 1 if not there:
            await events.insert(key, **values)
        case 2:
            await events.replace(key, etag, **values)
        case 3:
            await events.delete(key, etag)
            del rows[key]
            return
        case 4:
            await events.tables.transact(EVENTS, events.name, [Replace(key, values, etag)])
        case 5:
            await events.tables.transact(EVENTS, events.name, [Delete(key, etag)])
            del rows[key]
            return
        case 6:
            await events.tables.transact(EVENTS, events.name, [Put(key, values)])
        case _:
            await events.merge(key, etag, **values)
            values = {**rows[key], **values}
    rows[key] = dict(values)


def _has(values: Values, where: Values) -> bool:
    return all(type(values.get(name)) is type(value) and values.get(name) == value for name, value in where.items())
