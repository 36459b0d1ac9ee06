"""Rows: what each call does and which error it raises, on every engine."""

from __future__ import annotations

import math

import pytest

from hub.errors import Changed, Exists, LimitExceeded, Missing
from hub.storage.keys import EVENTS, LOGS
from hub.storage.ports import ANY_ETAG, Storage, Value
from tests.contract.rig import Partition, unique

VALUES: dict[str, Value] = {
    "text": "abc",
    "empty": "",
    "long": "x" * 32_768,
    "quotes": 'it\'s "so" \\ {"$": 1} \' or 1 eq 1 --',
    "lines": "a\r\nb\tc\x00d\u2028e\x7f",
    "umlauts": "Grüße, 世界, 😀😀",
    "digits": "123",
    "words": "true",
    "date": "2026-03-01T12:00:00+00:00",
    "guid": "c9da6455-213d-42c9-9a79-3e9149a57833",
    "yes": True,
    "no": False,
    "zero": 0,
    "one": 1,
    "negative": -7,
    "wide": 2**31,
    "widest": 2**63 - 1,
    "narrowest": -(2**63),
    "whole": 1.0,
    "nothing": 0.0,
    "fraction": 0.1,
    "huge": 1.7976931348623157e308,
    "tiny": 5e-324,
    "great": 1e22,
    "binary": bytes(range(256)),
    "no_bytes": b"",
    "all_bytes": b"\xff" * 65_536,
    "Ünïcode_näme1": "a name may have letters of any script",
}


@pytest.mark.parametrize("name", VALUES)
async def test_a_value_comes_back_as_it_was_with_its_type(partition: Partition, name: str) -> None:
    await partition.insert("row", **{name: VALUES[name]})
    found = (await partition.get("row")).values
    assert dict(found) == {name: VALUES[name]}
    assert type(found[name]) is type(VALUES[name])


async def test_all_kinds_of_values_share_a_row(partition: Partition) -> None:
    etag = await partition.insert("row", **VALUES)
    row = await partition.get("row")
    assert (row.partition, row.key, row.etag) == (partition.name, "row", etag)
    assert [(n, type(v), v) for n, v in sorted(row.values.items())] == [
        (n, type(v), v) for n, v in sorted(VALUES.items())
    ]


async def test_negative_zero_stays_a_zero(partition: Partition) -> None:
    await partition.insert("row", value=-0.0)
    value = (await partition.get("row")).values["value"]
    assert isinstance(value, float)
    assert value == 0.0
    assert not math.isnan(value)


async def test_a_row_may_have_no_columns(partition: Partition) -> None:
    await partition.insert("row")
    assert dict((await partition.get("row")).values) == {}


KEYS = [
    "a b",
    "ö",
    "世界",
    "a'b",
    "a''b",
    "100%",
    "50%25",
    "a+b",
    "a&b=c",
    "<a>",
    "(a)",
    "a,b;c",
    "@$!*~`^|",
    "é",
    "e\u0301",
]


@pytest.mark.parametrize("key", [*KEYS, "x" * 512, "ж" * 512])
async def test_a_key_comes_back_as_it_was(storage: Storage, key: str) -> None:
    partition = Partition(storage.tables, EVENTS, unique("p")[-8:] + key[8:])
    etag = await partition.insert(key, value=1)
    row = await partition.get(key)
    assert (row.partition, row.key, row.etag) == (partition.name, key, etag)
    assert await partition.keys() == [key]
    await partition.delete(key, await partition.merge(key, etag, value=2))
    assert await partition.keys() == []


async def test_keys_that_look_alike_are_different_rows(partition: Partition) -> None:
    for key in ("a", "A", "a ", "á", "a\u0301", "ä"):
        await partition.insert(key, own=key)
    assert len(await partition.keys()) == 6
    assert (await partition.get("a")).values["own"] == "a"


# --- one row at a time ------------------------------------------------------------------------------------------------


async def test_insert_refuses_a_row_that_is_there(partition: Partition) -> None:
    etag = await partition.insert("row", value=1)
    with pytest.raises(Exists):
        await partition.insert("row", value=2)
    row = await partition.get("row")
    assert (row.values["value"], row.etag) == (1, etag)


async def test_get_of_a_row_that_is_not_there(partition: Partition) -> None:
    with pytest.raises(Missing):
        await partition.get("row")


async def test_put_writes_all_columns_whether_the_row_is_there_or_not(partition: Partition) -> None:
    first = await partition.put("row", value=1, other="x")
    second = await partition.put("row", value=2)
    row = await partition.get("row")
    assert (dict(row.values), row.etag) == ({"value": 2}, second)
    assert first != second


async def test_replace_writes_all_columns_of_the_version_read(partition: Partition) -> None:
    first = await partition.insert("row", value=1, other="x")
    second = await partition.replace("row", first, value=2)
    row = await partition.get("row")
    assert (dict(row.values), row.etag) == ({"value": 2}, second)


async def test_merge_writes_some_columns_and_keeps_the_others(partition: Partition) -> None:
    first = await partition.insert("row", kept="x", binary=b"\x00\xff", changed=1)
    second = await partition.merge("row", first, changed="now text", added=True)
    row = await partition.get("row")
    assert dict(row.values) == {"kept": "x", "binary": b"\x00\xff", "changed": "now text", "added": True}
    assert row.etag == second


async def test_delete_removes_the_version_read(partition: Partition) -> None:
    etag = await partition.insert("row", value=1)
    await partition.delete("row", etag)
    with pytest.raises(Missing):
        await partition.get("row")


@pytest.mark.parametrize("operation", ["replace", "merge", "delete"])
async def test_an_etag_that_was_overtaken_is_refused(partition: Partition, operation: str) -> None:
    old = await partition.insert("row", value=1)
    current = await partition.replace("row", old, value=2)
    with pytest.raises(Changed):
        await _change(partition, operation, old)
    row = await partition.get("row")
    assert (dict(row.values), row.etag) == ({"value": 2}, current)


@pytest.mark.parametrize("operation", ["replace", "merge", "delete"])
async def test_an_etag_of_another_row_is_refused(partition: Partition, operation: str) -> None:
    other = await partition.insert("other", value=1)
    await partition.insert("row", value=1)
    with pytest.raises(Changed):
        await _change(partition, operation, other)


@pytest.mark.parametrize("operation", ["replace", "merge", "delete"])
async def test_the_etag_of_a_row_deleted_and_inserted_again_is_refused(partition: Partition, operation: str) -> None:
    old = await partition.insert("row", value=1)
    await partition.delete("row", old)
    assert await partition.insert("row", value=1) != old
    with pytest.raises(Changed):
        await _change(partition, operation, old)


@pytest.mark.parametrize("operation", ["replace", "merge", "delete"])
@pytest.mark.parametrize("etag", ["read before", ANY_ETAG])
async def test_a_row_that_is_gone_is_missing(partition: Partition, operation: str, etag: str) -> None:
    read = await partition.insert("row", value=1)
    await partition.delete("row", read)
    with pytest.raises(Missing):
        await _change(partition, operation, read if etag == "read before" else etag)


@pytest.mark.parametrize("operation", ["replace", "merge", "delete"])
async def test_any_etag_stands_for_whatever_is_there(partition: Partition, operation: str) -> None:
    await partition.insert("row", value=1)
    await _change(partition, operation, ANY_ETAG)
    assert await partition.keys(where={"value": 1}) == []


async def test_every_version_has_an_etag_of_its_own(partition: Partition) -> None:
    etags = [await partition.insert("row", value=1)]
    etags += [await partition.put("row", value=1) for _ in range(3)]
    etags += [await partition.replace("row", ANY_ETAG, value=1) for _ in range(3)]
    etags += [await partition.merge("row", ANY_ETAG, value=1) for _ in range(3)]
    assert len(set(etags)) == len(etags)
    assert ANY_ETAG not in etags
    assert (await partition.get("row")).etag == etags[-1]


async def test_tables_and_partitions_are_apart(storage: Storage) -> None:
    one, other = unique("p"), unique("p")
    await storage.tables.insert(EVENTS, one, "row", {"where": 1})
    await storage.tables.insert(EVENTS, other, "row", {"where": 2})
    await storage.tables.insert(LOGS, one, "row", {"where": 3})
    assert (await storage.tables.get(EVENTS, one, "row")).values["where"] == 1
    assert (await storage.tables.get(EVENTS, other, "row")).values["where"] == 2
    assert [row.values["where"] for row in await storage.tables.query(LOGS, one)] == [3]


async def test_a_refused_row_is_not_written(partition: Partition) -> None:
    etag = await partition.insert("row", value=1)
    for write in (partition.put("row", value=2**63), partition.merge("row", etag, value=2**63)):
        with pytest.raises(LimitExceeded):
            await write
    row = await partition.get("row")
    assert (dict(row.values), row.etag) == ({"value": 1}, etag)


async def _change(partition: Partition, operation: str, etag: str) -> None:
    match operation:
        case "replace":
            await partition.replace("row", etag, value=3)
        case "merge":
            await partition.merge("row", etag, value=3)
        case _:
            await partition.delete("row", etag)
