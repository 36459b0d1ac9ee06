"""Queues: visibility, receipts, counts and order, on every engine."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest

from hub.errors import StaleReceipt
from hub.storage.ports import MAX_HIDDEN_SECONDS, Storage
from tests.contract.rig import Queue, Rig, unique

NOTICE = timedelta(seconds=60)
"""How far the service's clock may be from the test's."""


async def test_a_queue_nobody_used_is_empty(queue: Queue) -> None:
    assert await queue.receive() == []
    assert await queue.depth() == 0


async def test_a_message_comes_as_it_was_put(rig: Rig, queue: Queue) -> None:
    await queue.put("hello")
    message = await queue.receive_one()
    assert (message.body, message.dequeue_count) == ("hello", 1)
    assert message.id
    assert message.receipt
    assert message.inserted_at.tzinfo is UTC
    assert abs(message.inserted_at - rig.now()) < NOTICE


BODIES = ["", " ", "a\nb", "<a>&amp;</a>", '{"id": "x"}', "Grüße, 世界, 😀", "\x00\x01\x7f", "x" * 49_152, "ü" * 24_576]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
async def test_a_body_comes_back_as_it_was(queue: Queue, body: str) -> None:
    await queue.put(body)
    assert (await queue.receive_one()).body == body


async def test_queues_are_apart(storage: Storage) -> None:
    one, other = Queue(storage.queues, unique("queue")), Queue(storage.queues, unique("queue"))
    await one.put("one")
    assert await other.receive() == []
    assert (await one.receive_one()).body == "one"


async def test_the_oldest_comes_first(queue: Queue) -> None:
    for number in range(5):
        await queue.put(str(number))
    assert [message.body for message in await queue.receive(count=3)] == ["0", "1", "2"]
    assert [message.body for message in await queue.receive(count=3)] == ["3", "4"]


async def test_no_more_come_than_were_asked_for(queue: Queue) -> None:
    for number in range(40):
        await queue.put(str(number))
    assert len(await queue.receive(count=1)) == 1
    assert len(await queue.receive(count=32)) == 32
    assert len(await queue.receive(count=32)) == 7
    assert await queue.receive(count=32) == []


async def test_a_received_message_is_hidden(queue: Queue) -> None:
    await queue.put("x")
    await queue.receive_one(hidden_seconds=600)
    assert await queue.receive() == []


async def test_a_received_message_comes_back_by_itself(rig: Rig, queue: Queue) -> None:
    await queue.put("x")
    first = await queue.receive_one(hidden_seconds=2)
    await rig.elapse(2)
    second = await queue.receive_one()
    assert (second.id, second.body, second.inserted_at) == (first.id, first.body, first.inserted_at)
    assert (first.dequeue_count, second.dequeue_count) == (1, 2)
    assert second.receipt != first.receipt


async def test_a_message_put_hidden_is_not_received(queue: Queue) -> None:
    await queue.put("later", hidden_seconds=600)
    await queue.put("now")
    assert [message.body for message in await queue.receive()] == ["now"]


async def test_a_message_put_hidden_appears_later(rig: Rig, queue: Queue) -> None:
    await queue.put("later", hidden_seconds=2)
    await rig.elapse(2)
    assert (await queue.receive_one()).body == "later"


# --- update -----------------------------------------------------------------------------------------------------------


async def test_an_update_hides_the_message_from_now_on(rig: Rig, queue: Queue) -> None:
    await queue.put("x")
    message = await queue.receive_one(hidden_seconds=2)
    await queue.update(message, hidden_seconds=600)
    await rig.elapse(2)
    assert await queue.receive() == []


async def test_an_update_to_zero_makes_the_message_visible_at_once(queue: Queue) -> None:
    await queue.put("x")
    await queue.update(await queue.receive_one(), hidden_seconds=0)
    assert (await queue.receive_one()).dequeue_count == 2


async def test_an_update_may_change_the_body_and_keeps_it_otherwise(queue: Queue) -> None:
    await queue.put("old")
    message = await queue.receive_one()
    receipt = await queue.update(message, hidden_seconds=600, body="new, 世界")
    await queue.update(message, hidden_seconds=0, receipt=receipt)
    assert (await queue.receive_one()).body == "new, 世界"


async def test_an_update_may_empty_the_body(queue: Queue) -> None:
    await queue.put("old")
    await queue.update(await queue.receive_one(), hidden_seconds=0, body="")
    assert (await queue.receive_one()).body == ""


async def test_an_update_returns_the_receipt_that_counts_from_now_on(queue: Queue) -> None:
    await queue.put("x")
    message = await queue.receive_one()
    receipt = await queue.update(message, hidden_seconds=600)
    assert receipt != message.receipt
    with pytest.raises(StaleReceipt):
        await queue.update(message, hidden_seconds=600)
    with pytest.raises(StaleReceipt):
        await queue.delete(message)
    await queue.delete(message, receipt=receipt)
    assert await queue.depth() == 0


async def test_an_update_does_not_count_as_a_visit(queue: Queue) -> None:
    await queue.put("x")
    message = await queue.receive_one()
    receipt = await queue.update(message, hidden_seconds=600)
    await queue.update(message, hidden_seconds=0, receipt=receipt)
    assert (await queue.receive_one()).dequeue_count == 2


# --- receipts ---------------------------------------------------------------------------------------------------------


async def test_a_receipt_dies_when_somebody_else_receives_the_message(rig: Rig, queue: Queue) -> None:
    await queue.put("x")
    mine = await queue.receive_one(hidden_seconds=1)
    await rig.elapse(1)
    theirs = await queue.receive_one()
    with pytest.raises(StaleReceipt):
        await queue.update(mine, hidden_seconds=0)
    with pytest.raises(StaleReceipt):
        await queue.delete(mine)
    assert await queue.receive() == []
    await queue.delete(theirs)


async def test_a_receipt_outlives_the_hiding_while_nobody_else_came(rig: Rig, queue: Queue) -> None:
    await queue.put("x")
    message = await queue.receive_one(hidden_seconds=1)
    await rig.elapse(1)
    await queue.delete(message)
    assert await queue.receive() == []


async def test_a_deleted_message_is_gone(queue: Queue) -> None:
    await queue.put("x")
    message = await queue.receive_one()
    await queue.delete(message)
    assert await queue.depth() == 0
    with pytest.raises(StaleReceipt):
        await queue.delete(message)
    with pytest.raises(StaleReceipt):
        await queue.update(message, hidden_seconds=0)


async def test_a_receipt_fits_its_own_message_only(queue: Queue) -> None:
    await queue.put("a")
    await queue.put("b")
    (one,) = await queue.receive(1)
    (other,) = await queue.receive(1)  # the emulator gives all messages of one receive the same receipt
    with pytest.raises(StaleReceipt):
        await queue.delete(one, receipt=other.receipt)
    assert await queue.depth() == 2


async def test_a_message_belongs_to_its_own_queue_only(storage: Storage, queue: Queue) -> None:
    other = Queue(storage.queues, unique("queue"))
    await other.put("y")
    await queue.put("x")
    message = await queue.receive_one()
    with pytest.raises(StaleReceipt):
        await other.delete(message)
    await queue.delete(message)


# --- depth and the longest hiding -------------------------------------------------------------------------------------


async def test_the_depth_counts_hidden_messages_too(queue: Queue) -> None:
    await queue.put("visible")
    await queue.put("later", hidden_seconds=600)
    await queue.receive(count=1)
    assert await queue.depth() == 2


@pytest.mark.parametrize("seconds", [MAX_HIDDEN_SECONDS, 30 * 86_400.0])
async def test_any_length_of_hiding_is_accepted(queue: Queue, seconds: float) -> None:
    await queue.put("x", hidden_seconds=seconds)
    await queue.put("y")
    message = await queue.receive_one(hidden_seconds=seconds)
    await queue.update(message, hidden_seconds=seconds)
    assert await queue.receive() == []
    assert await queue.depth() == 2
