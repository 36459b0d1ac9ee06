"""The service's limits: exactly what fits is taken, one more is refused, and no message shows the value."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hub.errors import LimitExceeded
from hub.storage import limits
from hub.storage.keys import EVENTS, PAYLOADS
from hub.storage.ports import MAX_HIDDEN_SECONDS, Change, Delete, Insert, Put, Replace, Storage, Value
from tests.contract.rig import Partition, Queue

SECRET = "Zq7"
"""Stands for a value that must not appear in a message."""


def wide_row(columns: int) -> dict[str, Value]:
    return {f"column{number}": number for number in range(columns)}


def large_row(size: int) -> dict[str, Value]:
    """A row at ("p", "k") of exactly this size, by the documented formula."""
    left = size - (4 + 2 * 2)
    full = 8 + 2 * 3 + 65_536 + 4
    values: dict[str, Value] = {f"c{number:02d}": "x" * 32_768 for number in range(left // full)}
    rest = left % full - (8 + 2 * 4 + 4)
    return values | {"rest": b"x" * rest}


FITTING: dict[str, dict[str, Value]] = {
    "252 columns": wide_row(252),
    "text of 32 768 characters": {"a": "ж" * 32_768},
    "text of 32 768 halves": {"a": "😀" * 16_384},
    "64 KiB of bytes": {"a": b"x" * 65_536},
    "the greatest integer": {"a": 2**63 - 1},
    "the least integer": {"a": -(2**63)},
    "a name of 255 characters": {"n" * 255: 1},
    "a name with an underscore first": {"_a": 1},
    "a row of 1 MiB": large_row(1_048_576),
}
BREAKING: dict[str, tuple[dict[str, Value], Sequence[str]]] = {
    "253 columns": (wide_row(253), ["252", "253"]),
    "long text": ({"a": SECRET + "x" * 32_766}, ["'a'", "32769", "32768"]),
    "long text of halves": ({"a": SECRET + "😀" * 16_383}, ["'a'", "32769", "32768"]),
    "many bytes": ({"a": SECRET.encode() + b"x" * 65_534}, ["'a'", "65537", "65536"]),
    "great integer": ({"a": 2**63}, ["'a'", "64"]),
    "least integer": ({"a": -(2**63) - 1}, ["'a'", "64"]),
    "not a number": ({"a": float("nan")}, ["'a'", "finite"]),
    "infinity": ({"a": float("-inf")}, ["'a'", "finite"]),
    "lone surrogate": ({"a": SECRET + "\ud83d"}, ["'a'", "surrogate"]),
    "long name": ({"n" * 256: 1}, ["255", "256"]),
    "empty name": ({"": 1}, ["identifier"]),
    "name with a dash": ({"a-b": 1}, ["'a-b'"]),
    "name with a digit first": ({"1a": 1}, ["'1a'"]),
    "name of the service": ({"PartitionKey": "x"}, ["'PartitionKey'"]),
    "large row": (large_row(1_048_577), ["1048576", "1048577"]),
    "nothing": ({"a": None}, ["'a'", "NoneType"]),  # type: ignore[dict-item]  # what slipped past the type checker
    "list": ({"a": [SECRET]}, ["'a'", "list"]),  # type: ignore[dict-item]  # the same
}


@pytest.mark.parametrize("case", FITTING)
async def test_what_fits_is_taken(storage: Storage, case: str) -> None:
    await storage.tables.put(EVENTS, "p", "k", FITTING[case])
    assert dict((await storage.tables.get(EVENTS, "p", "k")).values) == FITTING[case]


@pytest.mark.parametrize("case", BREAKING)
async def test_what_does_not_fit_is_refused_wherever_it_is_written(partition: Partition, case: str) -> None:
    values, words = BREAKING[case]
    table, name = partition.table, "p"
    changes: list[Change] = [Insert("k", values), Put("k", values), Replace("k", values, "*")]
    for call in (
        partition.tables.insert(table, name, "k", values),
        partition.tables.put(table, name, "k", values),
        partition.tables.replace(table, name, "k", values, "*"),
        partition.tables.merge(table, name, "k", values, "*"),
        *(partition.tables.transact(table, name, [change]) for change in changes),
    ):
        with pytest.raises(LimitExceeded) as refused:
            await call
        assert all(word in str(refused.value) for word in words)
        assert SECRET not in str(refused.value)


KEYS_REFUSED = ["", "x" * 513, "a/b", "a\\b", "a#b", "a?b", "a\x00", "a\nb", "a\x1f", "a\x7f", "a\x9f", "a😀", "\ud83d"]


@pytest.mark.parametrize("key", KEYS_REFUSED, ids=[ascii(key)[:12] for key in KEYS_REFUSED])
async def test_a_key_the_service_would_refuse_is_refused(storage: Storage, key: str) -> None:
    tables = storage.tables
    for partition, row in ((key, "k"), ("p", key)):
        for call in (
            tables.insert(EVENTS, partition, row, {}),
            tables.get(EVENTS, partition, row),
            tables.put(EVENTS, partition, row, {}),
            tables.replace(EVENTS, partition, row, {}, "*"),
            tables.merge(EVENTS, partition, row, {}, "*"),
            tables.delete(EVENTS, partition, row, "*"),
            tables.transact(EVENTS, partition, [Delete(row, "*")]),
        ):
            with pytest.raises(LimitExceeded):
                await call
    with pytest.raises(LimitExceeded):
        await tables.query(EVENTS, key)


@pytest.mark.parametrize("table", ["", "ab", "a" * 64, "1abc", "a-b-c", "täble", "abc\n"])
async def test_a_table_name_the_service_would_refuse_is_refused(storage: Storage, table: str) -> None:
    for call in (storage.tables.get(table, "p", "k"), storage.tables.query(table, "p")):
        with pytest.raises(LimitExceeded):
            await call


@pytest.mark.parametrize(
    "arguments",
    [{"limit": 0}, {"limit": 1001}, {"after": "😀"}, {"before": "\ud83d"}, {"select": ["a-b"]}, {"where": {"a-b": 1}}],
    ids=str,
)
async def test_a_query_the_service_would_refuse_is_refused(partition: Partition, arguments: dict[str, object]) -> None:
    with pytest.raises(LimitExceeded):
        await partition.tables.query(partition.table, partition.name, **arguments)  # type: ignore[arg-type]


async def test_a_hundred_and_one_changes_are_refused(partition: Partition) -> None:
    changes = [Insert(f"{number:03d}", {}) for number in range(101)]
    with pytest.raises(LimitExceeded, match="101 changes; 100"):
        await partition.tables.transact(partition.table, partition.name, changes)
    assert await partition.keys() == []


async def test_a_row_named_twice_is_refused(partition: Partition) -> None:
    with pytest.raises(LimitExceeded, match="twice"):
        await partition.tables.transact(partition.table, partition.name, [Insert("a", {}), Put("a", {})])
    assert await partition.keys() == []


async def test_a_transaction_that_is_too_large_as_it_is_sent_is_refused(partition: Partition) -> None:
    row: dict[str, Value] = {f"c{number}": "x" * 32_768 for number in range(15)}
    fitting = [Insert(str(number), row) for number in range(8)]
    with pytest.raises(LimitExceeded, match="4194304"):
        await partition.tables.transact(partition.table, partition.name, [*fitting, Insert("9", row)])
    assert await partition.keys() == []
    await partition.tables.transact(partition.table, partition.name, fitting)
    assert len(await partition.keys()) == 8


@pytest.mark.parametrize("values", [{"text": "ж" * 32_000}, {"data": b"\xff" * 65_000}], ids=["escaped", "base64"])
def test_a_transaction_is_measured_as_it_is_sent(values: dict[str, Value]) -> None:
    """Text beyond ASCII grows threefold on the way, bytes by a third: rows that fit one by one may not fit together."""
    with pytest.raises(LimitExceeded, match="as it is sent"):
        limits.check_changes("p", [Insert(str(number), values) for number in range(60)])


# --- messages and blobs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["x" * 49_153, "ü" * 24_577, "\ud83d"], ids=["ASCII", "two bytes", "lone surrogate"])
async def test_a_body_that_does_not_fit_is_refused(queue: Queue, body: str) -> None:
    await queue.put("there")
    message = await queue.receive_one()
    for call in (queue.put(body), queue.update(message, hidden_seconds=1, body=body)):
        with pytest.raises(LimitExceeded) as refused:
            await call
        assert body[:10] not in str(refused.value)
    assert await queue.depth() == 1
    await queue.delete(message)


@pytest.mark.parametrize("name", ["", "ab", "a" * 64, "Abc", "a_b", "-abc", "abc-", "a--b", "äbc", "abc\n"])
async def test_a_queue_or_container_name_the_service_would_refuse_is_refused(storage: Storage, name: str) -> None:
    for call in (
        storage.queues.put(name, "x"),
        storage.queues.receive(name, count=1, hidden_seconds=1),
        storage.queues.update(name, "1", "1", hidden_seconds=1),
        storage.queues.delete(name, "1", "1"),
        storage.queues.depth(name),
        storage.blobs.put(name, "x", b""),
        storage.blobs.get(name, "x"),
        storage.blobs.delete(name, "x"),
    ):
        with pytest.raises(LimitExceeded):
            await call


@pytest.mark.parametrize("count", [0, 33, -1])
async def test_one_to_32_messages_may_be_asked_for(queue: Queue, count: int) -> None:
    with pytest.raises(LimitExceeded):
        await queue.receive(count=count)


@pytest.mark.parametrize("seconds", [-1, float("nan")])
async def test_a_message_cannot_be_hidden_for_less_than_no_time(queue: Queue, seconds: float) -> None:
    for call in (queue.put("x", hidden_seconds=seconds), queue.receive(hidden_seconds=seconds)):
        with pytest.raises(LimitExceeded):
            await call


@pytest.mark.parametrize(
    ("asked", "least", "given"),
    [
        (0, 0, 0),
        (0, 1, 1),
        (0.25, 1, 1),
        (30, 1, 30),
        (MAX_HIDDEN_SECONDS + 1, 0, MAX_HIDDEN_SECONDS),
        (1e12, 1, 518_400),
    ],
)
def test_hiding_is_shortened_to_six_days_and_raised_to_the_least(asked: float, least: float, given: float) -> None:
    assert limits.hidden_for(asked, least=least) == given


@pytest.mark.parametrize(
    "name", ["", "x" * 1025, "a\\b", "a\x00b", "a\nb", "/a", "a/", "a//b", ".", "a/..", "a.", "\ud83d"]
)
async def test_a_blob_name_that_would_be_rewritten_is_refused(storage: Storage, name: str) -> None:
    for call in (
        storage.blobs.put(PAYLOADS, name, b""),
        storage.blobs.get(PAYLOADS, name),
        storage.blobs.delete(PAYLOADS, name),
    ):
        with pytest.raises(LimitExceeded):
            await call
