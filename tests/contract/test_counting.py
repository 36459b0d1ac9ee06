"""Every call of a port counts as one operation of its kind, on every engine."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from hub.errors import Exists, LimitExceeded, Missing, StaleReceipt
from hub.storage.counting import counting
from hub.storage.keys import PAYLOADS
from hub.storage.ports import ANY_ETAG, Insert, Storage
from tests.contract.rig import Partition, Queue, unique


async def test_each_call_on_rows_is_one_operation(partition: Partition) -> None:
    with counting() as counts:
        await partition.insert("row")
        await partition.get("row")
        await partition.put("row", value=1)
        await partition.replace("row", ANY_ETAG, value=2)
        await partition.merge("row", ANY_ETAG, value=3)
        await partition.keys()
        await partition.delete("row", ANY_ETAG)
        await partition.tables.transact(partition.table, partition.name, [Insert("a", {}), Insert("b", {})])
    kinds = ("insert", "get", "put", "replace", "merge", "query", "delete", "transact")
    assert counts == Counter({f"table.{kind}": 1 for kind in kinds})


async def test_each_call_on_messages_is_one_operation(queue: Queue) -> None:
    await queue.put("the queue is made on first use, which may cost more")
    with counting() as counts:
        await queue.put("x")
        message, _ = await queue.receive()
        await queue.update(message, hidden_seconds=0)
        message = await queue.receive_one()
        await queue.delete(message)
        await queue.depth()
        await queue.receive()
    kinds = {"put": 1, "receive": 3, "update": 1, "delete": 1, "depth": 1}
    assert counts == Counter({f"queue.{kind}": count for kind, count in kinds.items()})


async def test_each_call_on_blobs_is_one_operation(storage: Storage) -> None:
    name = unique("blob")
    with counting() as counts:
        await storage.blobs.put(PAYLOADS, name, b"x")
        await storage.blobs.get(PAYLOADS, name)
        await storage.blobs.delete(PAYLOADS, name)
    assert counts == Counter({"blob.put": 1, "blob.get": 1, "blob.delete": 1})


async def test_the_engine_counts_all_of_them(storage: Storage, partition: Partition) -> None:
    before = storage.operations.by_kind()
    total = storage.operations.total
    await partition.insert("row")
    await partition.get("row")
    await partition.get("row")
    assert storage.operations.by_kind() - before == Counter({"table.insert": 1, "table.get": 2})
    assert storage.operations.total == total + 3


async def test_a_call_that_fails_counts_too(partition: Partition, queue: Queue) -> None:
    await partition.insert("there")
    await queue.put("x")
    message = await queue.receive_one()
    await queue.delete(message)
    with counting() as counts:
        with pytest.raises(Exists):
            await partition.insert("there")
        with pytest.raises(Missing):
            await partition.get("not there")
        with pytest.raises(StaleReceipt):
            await queue.delete(message)
    assert counts == Counter({"table.insert": 1, "table.get": 1, "queue.delete": 1})


async def test_a_call_that_is_refused_before_it_is_sent_does_not_count(partition: Partition) -> None:
    with counting() as counts:
        with pytest.raises(LimitExceeded):
            await partition.insert("row", value=2**64)
        await partition.tables.transact(partition.table, partition.name, [])
    assert counts == Counter()


async def test_tasks_are_counted_for_whoever_started_them(partition: Partition) -> None:
    async def count_own(number: int) -> int:
        with counting() as counts:
            for step in range(number):
                await partition.insert(f"{number}-{step}")
        return counts.total()

    with counting() as outer:
        assert await asyncio.gather(*(count_own(number) for number in range(4))) == [0, 1, 2, 3]
    assert outer.total() == 6
