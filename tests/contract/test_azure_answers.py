"""What the answers of the Azure services mean to the hub."""

from __future__ import annotations

import asyncio

import pytest

from hub.errors import Changed, Exists, LimitExceeded, Missing, NexomaticError, StaleReceipt, Unavailable
from hub.storage.keys import EVENTS
from hub.storage.ports import Delete
from tests.contract.azure_calls import (
    DELETE,
    DELETE_BLOB,
    DELETE_MESSAGE,
    DEPTH,
    EVERY_CALL,
    GET,
    GET_BLOB,
    INSERT,
    MERGE,
    ONCE_AT_MOST,
    PUT,
    PUT_ROW,
    RECEIVE,
    REPLACE,
    UPDATE,
    Call,
    facing,
    opened,
)
from tests.contract.fault_server import (
    PUT_DONE,
    Behaviour,
    answer,
    foreign_answer,
    row_answer,
)
from tests.contract.rig import unique

# --- what an answer means --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "status", "expected"),
    [
        (INSERT, 409, Exists),
        (INSERT, 400, LimitExceeded),
        (INSERT, 413, LimitExceeded),
        (GET, 404, Missing),
        (PUT_ROW, 400, LimitExceeded),
        (REPLACE, 404, Missing),
        (REPLACE, 412, Changed),
        (MERGE, 404, Missing),
        (MERGE, 412, Changed),
        (DELETE, 404, Missing),
        (DELETE, 412, Changed),
        (UPDATE, 404, StaleReceipt),
        (UPDATE, 400, StaleReceipt),
        (DELETE_MESSAGE, 404, StaleReceipt),
        (DELETE_MESSAGE, 400, StaleReceipt),
        (GET_BLOB, 404, Missing),
    ],
)
async def test_a_status_without_a_code_decides_and_is_not_asked_for_twice(
    call: Call, status: int, expected: type[NexomaticError]
) -> None:
    async with facing(answer(status)) as (storage, server):
        with pytest.raises(expected):
            await call(storage)
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 401, 403, 405, 501])
async def test_any_other_status_is_the_service_s_fault_or_ours(status: int) -> None:
    async with facing(answer(status, Location="http://127.0.0.1:9/")) as (storage, server):
        for call in EVERY_CALL:
            with pytest.raises(Unavailable, match=str(status)):
                await call(storage)
        assert len(server.requests) == storage.operations.total
        assert all(count == 1 for kind, count in storage.operations.by_kind().items() if not kind.endswith("create"))


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 400, 404, 409, 412])
async def test_an_answer_that_is_not_the_service_s_is_no_answer(status: int) -> None:
    page = foreign_answer(status, "" if status == 204 else "<html>Sign in, please", Content_Type="text/html")
    async with facing(page, patience=ONCE_AT_MOST) as (storage, _):
        for call in EVERY_CALL:
            with pytest.raises(Unavailable, match="did not answer"):
                await call(storage)


async def test_an_answer_of_the_service_that_cannot_be_read_is_no_answer() -> None:
    async with facing(answer(200, '{"PartitionKey', Content_Type="application/json")) as (storage, _):
        with pytest.raises(Unavailable):
            await GET(storage)


async def test_the_service_s_own_answer_counts_after_somebody_else_s() -> None:
    async with facing(foreign_answer(404), row_answer()) as (storage, _):
        assert await GET(storage)


@pytest.mark.parametrize("call", [GET, INSERT, REPLACE])
async def test_a_table_that_was_not_made_is_not_taken_for_a_missing_row(call: Call) -> None:
    async with facing(answer(404, x_ms_error_code="TableNotFound")) as (storage, _):
        with pytest.raises(Unavailable, match="TableNotFound"):
            await call(storage)


async def test_a_blob_that_is_not_there_is_deleted() -> None:
    async with facing(answer(404, x_ms_error_code="BlobNotFound")) as (storage, _):
        await DELETE_BLOB(storage)


async def test_a_failing_change_of_a_transaction_decides() -> None:
    part = "HTTP/1.1 412 Precondition Failed\r\nContent-Type: application/json\r\n\r\n{}"
    body = (
        f"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-Type: application/http\r\n\r\n{part}"
    )
    refusal = answer(202, body + "\r\n--c--\r\n--b--\r\n", Content_Type="multipart/mixed; boundary=b")
    async with facing(refusal) as (storage, _):
        with pytest.raises(Changed):
            await storage.tables.transact(EVENTS, "p", [Delete("row", 'W/"1"')])


# --- queues that are not there ---------------------------------------------------------------------------------------

MISSING_QUEUE = answer(404, x_ms_error_code="QueueNotFound")


async def test_a_queue_is_made_when_the_first_message_is_put() -> None:
    async with facing(MISSING_QUEUE, answer(201), PUT_DONE) as (storage, server):
        await PUT(storage)
        assert [request.method for request in server.requests] == ["POST", "PUT", "POST"]
        assert storage.operations.by_kind() == {"queue.put": 2, "queue.create": 1}


@pytest.mark.parametrize("made_by_another", [answer(204), answer(409, x_ms_error_code="QueueAlreadyExists")])
async def test_a_queue_that_another_process_has_made_meanwhile_is_used(made_by_another: Behaviour) -> None:
    async with facing(MISSING_QUEUE, made_by_another, PUT_DONE) as (storage, _):
        await PUT(storage)


async def test_a_queue_that_was_deleted_is_made_again() -> None:
    async with facing(MISSING_QUEUE, answer(201), PUT_DONE) as (storage, server):
        await PUT(storage)
        server.then(MISSING_QUEUE, answer(201), PUT_DONE)
        await PUT(storage)
        assert storage.operations.by_kind() == {"queue.put": 4, "queue.create": 2}


async def test_a_queue_that_cannot_be_made_is_unavailable() -> None:
    async with facing(MISSING_QUEUE, answer(201), MISSING_QUEUE) as (storage, _):
        with pytest.raises(Unavailable, match="deleted"):
            await PUT(storage)


async def test_nothing_is_in_a_queue_that_is_not_there() -> None:
    async with facing(MISSING_QUEUE) as (storage, _):
        assert await RECEIVE(storage) == []
        assert await DEPTH(storage) == 0
        for call in (UPDATE, DELETE_MESSAGE):
            with pytest.raises(StaleReceipt):
                await call(storage)


@pytest.mark.azurite
async def test_a_burst_of_first_messages_makes_the_queue_once(azurite: str) -> None:
    queue = unique("burst")
    async with opened(azurite) as storage:
        await asyncio.gather(*(storage.queues.put(queue, str(number)) for number in range(10)))
        assert storage.operations.by_kind()["queue.create"] == 1
        assert await storage.queues.depth(queue) == 10
