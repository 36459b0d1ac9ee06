"""What the Azure engine puts on the wire, reads from it, and keeps out of the log."""

from __future__ import annotations

import base64
import logging
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from hosting.azurite import ACCOUNT_KEY
from hub.errors import Changed, Missing, Unavailable
from hub.storage.keys import EVENTS
from tests.contract.azure_calls import (
    GET,
    INSERT,
    PUT,
    PUT_BLOB,
    facing,
)
from tests.contract.fault_server import (
    PUT_DONE,
    XML,
    Behaviour,
    answer,
)

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


def page(*keys: str, more: str = "", column: str = "") -> Behaviour:
    """Rows, and what the service says when there are more or it has looked for long enough."""
    rows = ",".join(f'{{"odata.etag":"W/\\"1\\"","PartitionKey":"p","RowKey":"{key}"{column}}}' for key in keys)
    marks = {"x_ms_continuation_NextPartitionKey": "p", "x_ms_continuation_NextRowKey": more} if more else {}
    return answer(200, f'{{"value":[{rows}]}}', Content_Type="application/json", **marks)


async def test_a_search_ends_where_the_service_has_looked_long_enough() -> None:
    """It goes on only over answers without a row, in which nothing says how far the service came."""
    open_ = ',"open":true'
    async with facing(page(more="1"), page("a", "b", more="2", column=open_), page()) as (storage, server):
        found = await storage.tables.search(EVENTS, "p", where={"open": True}, limit=10)
        assert ([row.key for row in found.rows], found.reached) == (["a", "b"], "b")
        assert len(server.requests) == 2
        found = await storage.tables.search(EVENTS, "p", where={"open": True}, after="b", limit=10)
        assert (found.rows, found.reached) == ([], None)


async def test_a_search_says_how_far_it_came_though_the_rows_it_was_given_are_not_wanted() -> None:
    """The emulator answers some that it cannot compare."""
    async with facing(page("a", "b", more="2")) as (storage, _):
        found = await storage.tables.search(EVENTS, "p", where={"open": True}, limit=10)
        assert (found.rows, found.reached) == ([], "b")


async def test_a_query_goes_on_over_empty_and_short_pages() -> None:
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
