"""The Azure engine against a service that fails, and what it puts on the wire."""

from __future__ import annotations

import asyncio
import base64
import logging
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import TypeAlias

import pytest

from hosting.azurite import ACCOUNT_KEY, BIND, Ports, connection_string, free_ports
from hub.errors import Changed, Exists, Invalid, LimitExceeded, Missing, NexomaticError, StaleReceipt, Unavailable
from hub.storage.azure import AzureStorage, Endpoints, Patience, open_azure
from hub.storage.counting import counting
from hub.storage.keys import EVENTS, PAYLOADS
from hub.storage.ports import Delete, Insert
from tests.contract.fault_server import (
    XML,
    Behaviour,
    FaultServer,
    Request,
    answer,
    cut,
    drop,
    foreign_answer,
    forward,
    hang,
    lose_answer,
    reset,
    row_answer,
)
from tests.contract.rig import unique

ROOT = Path(__file__).resolve().parents[2]

QUICK = Patience(budget_seconds=60, first_pause_seconds=0.001, longest_pause_seconds=0.002)
"""Time enough for a busy machine, pauses as short as can be."""

ONCE_AT_MOST = replace(QUICK, first_pause_seconds=1000, longest_pause_seconds=1000)
"""Any pause of our own choosing would be past the budget."""

Call: TypeAlias = Callable[[AzureStorage], Awaitable[object]]

GET: Call = lambda storage: storage.tables.get(EVENTS, "p", "row")  # noqa: E731
INSERT: Call = lambda storage: storage.tables.insert(EVENTS, "p", "row", {"text": "x"})  # noqa: E731
PUT_ROW: Call = lambda storage: storage.tables.put(EVENTS, "p", "row", {})  # noqa: E731
REPLACE: Call = lambda storage: storage.tables.replace(EVENTS, "p", "row", {}, 'W/"1"')  # noqa: E731
MERGE: Call = lambda storage: storage.tables.merge(EVENTS, "p", "row", {}, 'W/"1"')  # noqa: E731
DELETE: Call = lambda storage: storage.tables.delete(EVENTS, "p", "row", 'W/"1"')  # noqa: E731
QUERY: Call = lambda storage: storage.tables.query(EVENTS, "p")  # noqa: E731
PUT: Call = lambda storage: storage.queues.put("queue", "body")  # noqa: E731
RECEIVE: Call = lambda storage: storage.queues.receive("queue", count=1, hidden_seconds=1)  # noqa: E731
UPDATE: Call = lambda storage: storage.queues.update("queue", "id", "receipt", hidden_seconds=0)  # noqa: E731
DELETE_MESSAGE: Call = lambda storage: storage.queues.delete("queue", "id", "receipt")  # noqa: E731
DEPTH: Call = lambda storage: storage.queues.depth("queue")  # noqa: E731
GET_BLOB: Call = lambda storage: storage.blobs.get(PAYLOADS, "blob")  # noqa: E731
PUT_BLOB: Call = lambda storage: storage.blobs.put(PAYLOADS, "blob", b"data")  # noqa: E731
DELETE_BLOB: Call = lambda storage: storage.blobs.delete(PAYLOADS, "blob")  # noqa: E731
TRANSACT: Call = lambda storage: storage.tables.transact(EVENTS, "p", [Insert("row", {})])  # noqa: E731
PREPARE: Call = lambda storage: storage.prepare()  # noqa: E731

ON_ROWS = (GET, INSERT, PUT_ROW, REPLACE, MERGE, DELETE, QUERY, TRANSACT)
ON_MESSAGES = (PUT, RECEIVE, UPDATE, DELETE_MESSAGE, DEPTH)
ON_BLOBS = (GET_BLOB, PUT_BLOB, DELETE_BLOB)
EVERY_CALL = (*ON_ROWS, *ON_MESSAGES, *ON_BLOBS, PREPARE)


@asynccontextmanager
async def opened(address: str | Endpoints, patience: Patience = QUICK) -> AsyncIterator[AzureStorage]:
    storage = await open_azure(address, patience=patience)
    try:
        yield storage
    finally:
        await storage.close()


@asynccontextmanager
async def facing(*script: Behaviour, patience: Patience = QUICK) -> AsyncIterator[tuple[AzureStorage, FaultServer]]:
    """An engine whose service does this."""
    async with FaultServer(*script) as server, opened(server.connection_string, patience) as storage:
        yield storage, server


# --- transient faults, time-outs and the budget ----------------------------------------------------------------------


@pytest.mark.parametrize("fault", [*(answer(s) for s in (408, 429, 500, 502, 503, 504)), drop, reset, cut])
async def test_a_transient_fault_is_tried_again_and_each_request_counted(fault: Behaviour) -> None:
    async with facing(fault, fault, row_answer()) as (storage, server):
        with counting() as counts:
            assert (await storage.tables.get(EVENTS, "p", "row")).key == "row"
        assert len(server.requests) == 3
        assert counts == storage.operations.by_kind() == {"table.get": 3}


@pytest.mark.parametrize(
    ("call", "kind"), [(PUT, "queue.put"), (RECEIVE, "queue.receive"), (UPDATE, "queue.update"), (DEPTH, "queue.depth")]
)
async def test_faults_of_the_queue_service_are_tried_again_too(call: Call, kind: str) -> None:
    async with facing(answer(503), drop, answer(403)) as (storage, server):
        with pytest.raises(Unavailable):
            await call(storage)
        assert len(server.requests) == 3
        assert storage.operations.by_kind() == {kind: 3}


BLOB = answer(206, "data", Content_Range="bytes 0-3/4", Content_Type="application/octet-stream")


async def test_faults_of_the_blob_service_are_tried_again_too() -> None:
    async with facing(answer(503, "busy"), drop, BLOB) as (storage, server):
        assert await storage.blobs.get(PAYLOADS, "blob") == b"data"
        assert storage.operations.by_kind() == {"blob.get": 3}
        assert len(server.requests) == 3


async def test_a_long_refusal_of_a_download_is_not_read_and_its_connection_closed() -> None:
    closed = asyncio.Event()

    async def refuse_at_length(request: Request, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(503, "x" * 50_000_000)(request, writer)
        except ConnectionError:
            closed.set()

    async with facing(refuse_at_length, BLOB) as (storage, _):
        await storage.blobs.get(PAYLOADS, "blob")
        async with asyncio.timeout(20):
            await closed.wait()


async def test_a_service_that_stays_away_is_given_up_within_the_budget() -> None:
    patience = replace(QUICK, budget_seconds=0.5, first_pause_seconds=0.05, longest_pause_seconds=0.1)
    async with facing(answer(503), patience=patience) as (storage, server):
        with pytest.raises(Unavailable, match="503"):
            await GET(storage)
        assert 1 <= len(server.requests) <= 12


async def test_an_attempt_that_hangs_is_ended_by_the_read_time_out_and_tried_again() -> None:
    async with facing(hang, hang, row_answer(), patience=replace(QUICK, read_seconds=0.2)) as (storage, server):
        await GET(storage)
        assert len(server.requests) == 3


async def test_the_budget_ends_an_attempt_that_is_under_way() -> None:
    async with facing(hang, patience=Patience(read_seconds=3600, budget_seconds=0.3)) as (storage, server):
        with pytest.raises(Unavailable, match=r"table\.get"):
            await GET(storage)
        assert len(server.requests) == 1


async def test_a_pause_the_service_asks_for_is_kept() -> None:
    async with facing(answer(503, Retry_After="0"), row_answer(), patience=ONCE_AT_MOST) as (storage, server):
        await GET(storage)
        assert len(server.requests) == 2


async def test_a_pause_beyond_the_budget_is_not_waited_for() -> None:
    async with facing(answer(503, Retry_After="3600"), row_answer()) as (storage, server):
        with pytest.raises(Unavailable):
            await GET(storage)
        assert len(server.requests) == 1


async def test_a_broken_connection_is_replaced_at_once_the_first_time_only() -> None:
    async with facing(drop, row_answer(), drop, drop, row_answer(), patience=ONCE_AT_MOST) as (storage, server):
        await GET(storage)
        with pytest.raises(Unavailable):
            await GET(storage)
        assert len(server.requests) == 4


async def test_a_kept_connection_that_was_closed_meanwhile_is_counted_as_a_second_request() -> None:
    async with facing(row_answer(), drop, row_answer()) as (storage, server):
        await GET(storage)
        await GET(storage)
        assert len(server.requests) == storage.operations.total == 3


async def test_a_service_that_is_not_there_is_unavailable() -> None:
    patience = replace(QUICK, budget_seconds=0.2)
    async with opened(connection_string(free_ports()), patience) as storage:
        for call in (GET, RECEIVE, GET_BLOB):
            with pytest.raises(Unavailable):
                await call(storage)


async def test_a_connection_that_is_not_accepted_is_given_up_and_tried_again() -> None:
    with closing(socket.create_server((BIND, 0), backlog=0)) as listening:
        port = listening.getsockname()[1]
        with closing(socket.create_connection((BIND, port))):  # the one that fits the queue of an idle listener
            patience = Patience(connect_seconds=0.1, budget_seconds=30, first_pause_seconds=0.01)
            async with opened(connection_string(Ports(port, port, port)), patience) as storage:
                call = asyncio.create_task(storage.tables.get(EVENTS, "p", "row"))
                async with asyncio.timeout(20):
                    # The second attempt begins when the first has timed out; nothing else tells of it.
                    while storage.operations.total < 2:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
                call.cancel()
                await asyncio.wait([call])


async def test_many_calls_are_under_way_at_once() -> None:
    everybody = asyncio.Barrier(150)

    async def answer_together(request: Request, writer: asyncio.StreamWriter) -> None:
        await everybody.wait()
        await row_answer()(request, writer)

    async with facing(answer_together) as (storage, server):
        await asyncio.gather(*(storage.tables.get(EVENTS, "p", str(number)) for number in range(150)))
        assert len(server.requests) == 150


# --- our own success, met again --------------------------------------------------------------------------------------


def _port(connection: str, service: str) -> int:
    found = re.search(rf"{service}Endpoint=http://[^:]+:(\d+)/", connection)
    assert found
    return int(found[1])


@pytest.fixture
async def tables_losing_answers(azurite: str) -> AsyncIterator[tuple[AzureStorage, AzureStorage]]:
    """An engine whose first answer from the emulator is lost on the way, and one to look at what has happened."""
    port = _port(azurite, "Table")
    async with opened(azurite) as other, facing(lose_answer(port), forward(port)) as (storage, _):
        await other.prepare()
        yield storage, other


Losing: TypeAlias = tuple[AzureStorage, AzureStorage]


@pytest.mark.azurite
async def test_an_insert_whose_answer_was_lost_meets_its_own_row(tables_losing_answers: Losing) -> None:
    storage, other = tables_losing_answers
    partition = unique("lost")
    with pytest.raises(Exists):
        await storage.tables.insert(EVENTS, partition, "row", {"claim": "mine"})
    assert (await other.tables.get(EVENTS, partition, "row")).values == {"claim": "mine"}
    assert storage.operations.by_kind() == {"table.insert": 2}


@pytest.mark.azurite
@pytest.mark.parametrize("write", ["replace", "merge"])
async def test_a_write_whose_answer_was_lost_meets_its_own_version(tables_losing_answers: Losing, write: str) -> None:
    storage, other = tables_losing_answers
    partition = unique("lost")
    etag = await other.tables.insert(EVENTS, partition, "row", {"claim": ""})
    with pytest.raises(Changed):
        await getattr(storage.tables, write)(EVENTS, partition, "row", {"claim": "mine"}, etag)
    assert (await other.tables.get(EVENTS, partition, "row")).values == {"claim": "mine"}


@pytest.mark.azurite
async def test_a_delete_whose_answer_was_lost_finds_nothing(tables_losing_answers: Losing) -> None:
    storage, other = tables_losing_answers
    partition = unique("lost")
    etag = await other.tables.insert(EVENTS, partition, "row", {})
    with pytest.raises(Missing):
        await storage.tables.delete(EVENTS, partition, "row", etag)


@pytest.mark.azurite
async def test_a_transaction_whose_answer_was_lost_meets_its_own_rows(tables_losing_answers: Losing) -> None:
    storage, other = tables_losing_answers
    partition = unique("lost")
    with pytest.raises(Exists):
        await storage.tables.transact(EVENTS, partition, [Insert("a", {}), Insert("b", {})])
    assert [row.key for row in await other.tables.query(EVENTS, partition)] == ["a", "b"]


@pytest.mark.azurite
async def test_a_put_whose_answer_was_lost_puts_the_message_twice(azurite: str) -> None:
    port = _port(azurite, "Queue")
    queue = unique("lost")
    async with opened(azurite) as other, facing(lose_answer(port), forward(port)) as (storage, _):
        await other.queues.put(queue, "first")
        await storage.queues.put(queue, "hint")
        bodies = [message.body for message in await other.queues.receive(queue, count=32, hidden_seconds=60)]
        assert sorted(bodies) == ["first", "hint", "hint"]


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
PUT_DONE = answer(
    201,
    "<QueueMessagesList><QueueMessage><MessageId>1</MessageId><PopReceipt>r</PopReceipt></QueueMessage></QueueMessagesList>",
    Content_Type=XML,
)


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


# --- on the wire -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.0, "0"), (0.2, "1"), (30.0, "30"), (30.001, "31"), (7 * 86_400.0, "518400")]
)
async def test_a_message_never_expires_and_is_hidden_for_whole_seconds(seconds: float, expected: str) -> None:
    async with facing(PUT_DONE) as (storage, server):
        await storage.queues.put("queue", "bödy", hidden_seconds=seconds)
        (request,) = server.requests
        assert "messagettl=-1" in request.target
        assert re.search(r"visibilitytimeout=(\d+)", request.target)[1] == expected  # type: ignore[index]
        assert base64.b64encode("bödy".encode()) in request.body


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, "0"), (0.2, "1"), (7 * 86_400.0, "518400")])
async def test_an_update_always_names_the_visibility(seconds: float, expected: str) -> None:
    async with facing(answer(204, x_ms_popreceipt="new", x_ms_time_next_visible=_date())) as (storage, server):
        assert await storage.queues.update("queue", "id", "receipt", hidden_seconds=seconds) == "new"
        assert f"visibilitytimeout={expected}" in server.requests[0].target


async def test_a_message_that_is_not_base64_does_not_block_the_others() -> None:
    def message(text: str) -> str:
        times = f"<InsertionTime>{_date()}</InsertionTime><ExpirationTime>{_date()}</ExpirationTime>"
        receipt = f"<PopReceipt>r</PopReceipt><TimeNextVisible>{_date()}</TimeNextVisible>"
        rest = f"{times}{receipt}<DequeueCount>1</DequeueCount><MessageText>{text}</MessageText>"
        return f"<QueueMessage><MessageId>1</MessageId>{rest}</QueueMessage>"

    both = message("not base64!") + message(base64.b64encode(b"ours").decode())
    received = answer(200, f"<QueueMessagesList>{both}</QueueMessagesList>", Content_Type=XML)
    async with facing(received) as (storage, _):
        messages = await storage.queues.receive("queue", count=32, hidden_seconds=1)
        assert [message.body for message in messages] == ["not base64!", "ours"]


async def test_a_query_goes_on_over_empty_and_short_pages() -> None:
    def page(*keys: str, more: str = "") -> Behaviour:
        rows = ",".join(f'{{"odata.etag":"W/\\"1\\"","PartitionKey":"p","RowKey":"{key}"}}' for key in keys)
        marks = {"x_ms_continuation_NextPartitionKey": "p", "x_ms_continuation_NextRowKey": more} if more else {}
        return answer(200, f'{{"value":[{rows}]}}', Content_Type="application/json", **marks)

    async with facing(page(more="1"), page("a", more="2"), page(more="3"), page("b", "c")) as (storage, server):
        rows = await storage.tables.query(EVENTS, "p", limit=10)
        assert [row.key for row in rows] == ["a", "b", "c"]
        assert [re.findall(r"NextRowKey=(\d)", request.target) for request in server.requests] == [
            [],
            ["1"],
            ["2"],
            ["3"],
        ]
        assert storage.operations.by_kind() == {"table.query": 4}


async def test_a_query_asks_for_no_page_after_its_limit() -> None:
    row = '{"odata.etag":"W/\\"1\\"","PartitionKey":"p","RowKey":"a"}'
    full = answer(200, f'{{"value":[{row},{row}]}}', x_ms_continuation_NextRowKey="b", Content_Type="application/json")
    async with facing(full) as (storage, server):
        assert len(await storage.tables.query(EVENTS, "p", limit=2)) == 2
        assert len(server.requests) == 1
        assert "%24top=2" in server.requests[0].target or "$top=2" in server.requests[0].target


async def test_the_etag_of_another_engine_is_sent_as_one_that_never_was() -> None:
    async with facing(answer(412)) as (storage, server):
        with pytest.raises(Changed):
            await storage.tables.replace(EVENTS, "p", "row", {}, "17")
        assert "1601" in server.requests[0].headers["if-match"]


async def test_nothing_is_logged_of_keys_signatures_and_content(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with facing(answer(503), answer(403)) as (storage, server):
        for call in (INSERT, PUT, PUT_BLOB):
            with pytest.raises(Unavailable):
                await call(storage)
        signatures = [request.headers["authorization"].rpartition(":")[2] for request in server.requests]
    logged = caplog.text
    assert signatures
    for secret in (*signatures, ACCOUNT_KEY, "SharedKey", "/events", base64.b64encode(b"body").decode()):
        assert secret not in logged


# --- the service's clock ---------------------------------------------------------------------------------------------


def _date(ahead: timedelta = timedelta()) -> str:
    return format_datetime(datetime.now(UTC) + ahead, usegmt=True)


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(hours=1), timedelta(hours=-1)])
async def test_the_clock_offset_is_read_from_the_answers(ahead: timedelta) -> None:
    async with facing(answer(404, Date=_date(ahead))) as (storage, _):
        assert storage.clock_offset() == timedelta()
        with pytest.raises(Missing):
            await GET(storage)
        assert abs(storage.clock_offset() - ahead) < timedelta(seconds=60)


@pytest.mark.parametrize("headers", [{}, {"Date": "soon"}, {"Date": "Mon, 99 Foo 2026 00:00:00 GMT"}])
async def test_an_answer_without_a_readable_date_says_nothing_of_the_clock(headers: dict[str, str]) -> None:
    async with facing(answer(404, **headers)) as (storage, _):
        with pytest.raises(Missing):
            await GET(storage)
        assert storage.clock_offset() == timedelta()


# --- addresses and identity ------------------------------------------------------------------------------------------


async def test_an_unusable_connection_string_is_refused_and_not_quoted() -> None:
    for address in ("", "nonsense", "AccountName=a;AccountKey", f"AccountKey={ACCOUNT_KEY}"):
        with pytest.raises(Invalid, match="storage address") as refusal:
            await open_azure(address)
        assert ACCOUNT_KEY not in str(refusal.value)


async def test_an_identity_is_not_shown_to_an_endpoint_without_tls() -> None:
    safe = Endpoints.of_account("account")
    for endpoints in (
        replace(safe, table="http://t.example"),
        replace(safe, queue="http://q.example"),
        replace(safe, blob=""),
    ):
        with pytest.raises(Invalid, match="https"):
            await open_azure(endpoints)


@pytest.mark.parametrize("client_id", [None, "client"])
async def test_an_account_is_opened_as_a_managed_identity_without_asking_anybody(client_id: str | None) -> None:
    endpoints = Endpoints.of_account("account", client_id)
    assert endpoints.queue == "https://account.queue.core.windows.net"
    async with opened(endpoints) as storage:
        assert storage.operations.total == 0
        await storage.close()


def test_the_blob_and_identity_sdks_are_not_loaded_before_they_are_needed() -> None:
    script = "import sys, hub.storage.azure; print({'azure.storage.blob', 'azure.identity'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert loaded.stdout.strip() == "set()"


async def test_an_identity_that_gets_no_token_makes_storage_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    async with FaultServer(answer(400, "{}", Content_Type="application/json")) as identity:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://{BIND}:{identity.port}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "header")
        async with opened(Endpoints.of_account("account", client_id="client")) as storage:
            for call in (GET, PUT, GET_BLOB):
                with pytest.raises(Unavailable):
                    await call(storage)
            assert storage.operations.total == 0
        targets = {request.target for request in identity.requests}
        assert targets == {"/token?api-version=2019-08-01&resource=https://storage.azure.com&client_id=client"}
