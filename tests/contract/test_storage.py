"""The engine as a whole, on every engine."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.errors import Unavailable
from hub.storage.keys import CONTAINERS, PAYLOADS, TABLES
from hub.storage.ports import Storage
from tests.contract.rig import Partition, Queue, unique


async def test_preparing_makes_every_table_and_container_and_may_be_repeated(storage: Storage) -> None:
    await storage.prepare()
    for table in TABLES:
        await Partition(storage.tables, table, unique("p")).insert("row")
    for container in CONTAINERS:
        await storage.blobs.put(container, unique("blob"), b"x")
    await storage.prepare()


async def test_the_clocks_are_close(storage: Storage, partition: Partition) -> None:
    await partition.keys()
    assert abs(storage.clock_offset()) < timedelta(seconds=60)


async def test_a_closed_engine_says_so(storage: Storage, partition: Partition, queue: Queue) -> None:
    await partition.insert("row")
    await storage.close()
    await storage.close()
    for call in (
        partition.get("row"),
        partition.insert("other"),
        partition.keys(),
        queue.put("x"),
        queue.receive(),
        storage.blobs.get(PAYLOADS, "x"),
    ):
        with pytest.raises(Unavailable):
            await call
