"""Transactions: all of the changes or none, on every engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from hub.errors import Changed, Exists, LimitExceeded, Missing, NexomaticError
from hub.storage.ports import ANY_ETAG, Change, Delete, Insert, Put, Replace
from tests.contract.rig import Partition


async def transact(partition: Partition, *changes: Change) -> None:
    await partition.tables.transact(partition.table, partition.name, changes)


async def contents(partition: Partition) -> dict[str, object]:
    rows = await partition.tables.query(partition.table, partition.name)
    return {row.key: row.values.get("value") for row in rows}


async def test_changes_of_every_kind_are_done_together(partition: Partition) -> None:
    replaced = await partition.insert("replaced", value=1, dropped=True)
    deleted = await partition.insert("deleted", value=1)
    await partition.insert("overwritten", value=1)
    await transact(
        partition,
        Insert("inserted", {"value": 2}),
        Put("overwritten", {"value": 2}),
        Put("new", {"value": 2}),
        Replace("replaced", {"value": 2}, replaced),
        Delete("deleted", deleted),
    )
    assert await contents(partition) == {"inserted": 2, "overwritten": 2, "new": 2, "replaced": 2}
    assert dict((await partition.get("replaced")).values) == {"value": 2}


async def test_each_row_written_has_a_new_etag(partition: Partition) -> None:
    old = await partition.insert("a", value=1)
    await transact(partition, Replace("a", {"value": 2}, old), Insert("b", {"value": 2}))
    new = (await partition.get("a")).etag
    assert old != new
    with pytest.raises(Changed):
        await partition.replace("a", old, value=3)
    await partition.replace("a", new, value=3)


async def test_any_etag_stands_for_whatever_is_there_in_a_transaction_too(partition: Partition) -> None:
    await partition.insert("a", value=1)
    await partition.insert("b", value=1)
    await transact(partition, Replace("a", {"value": 2}, ANY_ETAG), Delete("b", ANY_ETAG))
    assert await contents(partition) == {"a": 2}


CONFLICTS: dict[str, tuple[Callable[[str], Change], type[NexomaticError]]] = {
    "insert of a row that is there": (lambda _: Insert("there", {"value": 9}), Exists),
    "replace of an old version": (lambda old: Replace("there", {"value": 9}, old), Changed),
    "delete of an old version": (lambda old: Delete("there", old), Changed),
    "replace of a row that is not there": (lambda old: Replace("gone", {"value": 9}, old), Missing),
    "replace of whatever is not there": (lambda _: Replace("gone", {"value": 9}, ANY_ETAG), Missing),
    "delete of a row that is not there": (lambda old: Delete("gone", old), Missing),
    "delete of whatever is not there": (lambda _: Delete("gone", ANY_ETAG), Missing),
}


@pytest.mark.parametrize("conflict", CONFLICTS)
@pytest.mark.parametrize("place", ["first", "last"])
async def test_one_conflict_undoes_all(partition: Partition, conflict: str, place: str) -> None:
    old = await partition.insert("there", value=1)
    current = await partition.replace("there", old, value=2)
    change, error = CONFLICTS[conflict]
    others: list[Change] = [Insert("new", {"value": 9}), Put("another", {"value": 9})]
    changes = [change(old), *others] if place == "first" else [*others, change(old)]
    with pytest.raises(error):
        await transact(partition, *changes)
    assert await contents(partition) == {"there": 2}
    assert (await partition.get("there")).etag == current


async def test_after_a_conflict_the_same_changes_can_be_done(partition: Partition) -> None:
    await partition.insert("a", value=1)
    with pytest.raises(Exists):
        await transact(partition, Insert("b", {"value": 2}), Insert("a", {"value": 2}))
    await transact(partition, Insert("b", {"value": 2}), Put("a", {"value": 2}))
    assert await contents(partition) == {"a": 2, "b": 2}


async def test_a_hundred_changes_are_done(partition: Partition) -> None:
    await transact(partition, *(Insert(f"{number:03d}", {"value": number}) for number in range(100)))
    assert await contents(partition) == {f"{number:03d}": number for number in range(100)}


async def test_no_changes_are_done_without_asking_storage(partition: Partition) -> None:
    await transact(partition)
    assert await contents(partition) == {}


async def test_a_refused_row_undoes_all(partition: Partition) -> None:
    with pytest.raises(LimitExceeded):
        await transact(partition, Insert("a", {"value": 1}), Insert("b", {"value": 2**63}))
    assert await contents(partition) == {}


async def test_of_racing_transactions_one_wins_and_the_others_leave_nothing(partition: Partition) -> None:
    etag = await partition.insert("shared", value="nobody")

    async def claim(number: int) -> bool:
        try:
            await transact(
                partition, Insert(f"mark-{number}", {"value": "x"}), Replace("shared", {"value": f"{number}"}, etag)
            )
        except Changed:
            return False
        return True

    won = await asyncio.gather(*(claim(number) for number in range(10)))
    assert sum(won) == 1
    winner = won.index(True)
    assert await contents(partition) == {"shared": str(winner), f"mark-{winner}": "x"}
