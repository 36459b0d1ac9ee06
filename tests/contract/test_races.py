"""Many at once on the same rows, messages and blobs: the engine decides, and nobody is lost or counted twice."""

from __future__ import annotations

import asyncio
from collections import Counter

from hub.errors import Changed, Exists, StaleReceipt
from hub.storage.keys import PAYLOADS
from hub.storage.ports import Message, Storage
from tests.contract.rig import Partition, Queue, unique


async def test_twenty_racing_incrementers_converge(partition: Partition) -> None:
    await partition.insert("counter", value=0)

    async def increment() -> None:
        while True:
            row = await partition.get("counter")
            value = row.values["value"]
            assert isinstance(value, int)
            try:
                await partition.replace("counter", row.etag, value=value + 1)
            except Changed:
                continue
            return

    await asyncio.gather(*(increment() for _ in range(20)))
    assert (await partition.get("counter")).values["value"] == 20


async def test_of_racing_inserts_one_wins(partition: Partition) -> None:
    async def insert(number: int) -> bool:
        try:
            await partition.insert("row", winner=number)
        except Exists:
            return False
        return True

    won = await asyncio.gather(*(insert(number) for number in range(16)))
    assert sum(won) == 1
    assert (await partition.get("row")).values["winner"] == won.index(True)


async def test_of_racing_claims_one_wins(partition: Partition) -> None:
    etag = await partition.insert("event", state="QUEUED", payload="x")

    async def claim(number: int) -> bool:
        try:
            await partition.merge("event", etag, state="RUNNING", claim=number)
        except Changed:
            return False
        return True

    won = await asyncio.gather(*(claim(number) for number in range(16)))
    assert sum(won) == 1
    assert (await partition.get("event")).values == {"state": "RUNNING", "claim": won.index(True), "payload": "x"}


async def test_a_merge_racing_with_a_merge_by_any_etag_loses_no_column(partition: Partition) -> None:
    await partition.insert("row", start=True)
    await asyncio.gather(*(partition.merge("row", "*", **{f"column{number}": number}) for number in range(16)))
    expected = {"start": True} | {f"column{number}": number for number in range(16)}
    assert dict((await partition.get("row")).values) == expected


async def test_receivers_never_share_a_message(queue: Queue) -> None:
    await asyncio.gather(*(queue.put(str(number)) for number in range(40)))

    async def drain() -> list[Message]:
        taken: list[Message] = []
        while some := await queue.receive(count=3):
            taken += some
        return taken

    taken = [message for messages in await asyncio.gather(*(drain() for _ in range(8))) for message in messages]
    assert Counter(message.body for message in taken) == Counter(str(number) for number in range(40))
    assert len({message.id for message in taken}) == 40


async def test_of_racing_deletes_by_one_receipt_one_succeeds(queue: Queue) -> None:
    await queue.put("x")
    message = await queue.receive_one()

    async def delete() -> bool:
        try:
            await queue.delete(message)
        except StaleReceipt:
            return False
        return True

    assert sum(await asyncio.gather(*(delete() for _ in range(8)))) == 1


async def test_of_racing_updates_by_one_receipt_one_succeeds(queue: Queue) -> None:
    await queue.put("x")
    message = await queue.receive_one()

    async def update() -> bool:
        try:
            await queue.update(message, hidden_seconds=60)
        except StaleReceipt:
            return False
        return True

    assert sum(await asyncio.gather(*(update() for _ in range(8)))) == 1


async def test_a_blob_that_is_being_overwritten_is_read_whole(storage: Storage) -> None:
    name = unique("blob")
    contents = [bytes([number]) * 300_000 for number in range(6)]
    await storage.blobs.put(PAYLOADS, name, contents[0])

    async def read() -> bytes:
        return await storage.blobs.get(PAYLOADS, name)

    writing = asyncio.gather(*(storage.blobs.put(PAYLOADS, name, each) for each in contents[1:]))
    seen = await asyncio.gather(*(read() for _ in range(12)))
    await writing
    assert set(seen) <= set(contents)
    assert await read() in contents[1:]


async def test_unlike_calls_at_once_do_not_disturb_each_other(partition: Partition, queue: Queue) -> None:
    await partition.insert("there")

    async def failing() -> None:
        try:
            await partition.insert("there", value=1)
        except Exists:
            return
        raise AssertionError("the row was inserted twice")

    await asyncio.gather(
        *(failing() for _ in range(10)),
        *(partition.insert(f"row-{number}", value=number) for number in range(10)),
        *(queue.put(f"message-{number}") for number in range(10)),
    )
    assert len(await partition.keys()) == 11
    assert dict((await partition.get("there")).values) == {}
    assert {message.body for message in await queue.receive()} == {f"message-{number}" for number in range(10)}
