"""The Azure engine against a service that fails: attempts, time-outs, the budget, and answers that are lost."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import replace
from typing import TypeAlias

import pytest

from hosting.azurite import BIND, Ports, connection_string
from hub.errors import Changed, Exists, Missing, Unavailable
from hub.storage.azure import AzureStorage, Patience
from hub.storage.counting import counting
from hub.storage.keys import EVENTS, PAYLOADS
from hub.storage.ports import Insert
from tests.contract.azure_calls import (
    DEPTH,
    GET,
    GET_BLOB,
    ONCE_AT_MOST,
    PUT,
    QUICK,
    RECEIVE,
    UPDATE,
    Call,
    facing,
    opened,
)
from tests.contract.fault_server import (
    Behaviour,
    Request,
    answer,
    cut,
    drop,
    forward,
    hang,
    lose_answer,
    reset,
    row_answer,
)
from tests.contract.rig import unique
from tests.e2e.local_platform import free_ports
from tests.loop_time import move_loop_time

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


Passing: TypeAlias = Callable[[float, Behaviour], Behaviour]


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> Passing:
    """Lets so many seconds pass while the service has a request in hand, however slow the machine is."""

    def during(seconds: float, behaviour: Behaviour) -> Behaviour:
        async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
            for _ in range(50):  # until the client waits for an answer: it is on this loop
                await asyncio.sleep(0)
            move_loop_time(monkeypatch, seconds)
            await behaviour(request, writer)

        return behave

    return during


async def test_a_service_that_stays_away_is_given_up_within_the_budget(passing: Passing) -> None:
    async with facing(answer(503), answer(503), passing(QUICK.budget_seconds, answer(503))) as (storage, server):
        with pytest.raises(Unavailable, match="503"):
            await GET(storage)
        assert len(server.requests) == 3


@pytest.mark.parametrize("last", [hang, drop])
async def test_what_the_service_said_is_told_when_the_last_attempt_has_no_answer(
    passing: Passing, last: Behaviour
) -> None:
    async with facing(drop, answer(503), answer(429), passing(QUICK.budget_seconds, last)) as (storage, server):
        with pytest.raises(Unavailable, match=r"did not answer table\.get .* Before that it answered 429\.$"):
            await GET(storage)
        assert len(server.requests) == 4


async def test_an_attempt_that_hangs_is_ended_by_the_read_time_out_and_tried_again(passing: Passing) -> None:
    hanging = passing(QUICK.read_seconds, hang)
    async with facing(hanging, hanging, row_answer()) as (storage, server):
        await GET(storage)
        assert len(server.requests) == 3


async def test_the_budget_ends_an_attempt_that_is_under_way(passing: Passing) -> None:
    patience = replace(QUICK, read_seconds=3600)
    async with facing(passing(QUICK.budget_seconds, hang), patience=patience) as (storage, server):
        with pytest.raises(Unavailable, match=r"did not answer table\.get \(TimeoutError\): .* or not\.$"):
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
