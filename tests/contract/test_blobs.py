"""Blobs, on every engine."""

from __future__ import annotations

import hashlib

import pytest

from hub.errors import Missing
from hub.storage.keys import PAYLOADS, RESULTS
from hub.storage.ports import Storage
from tests.contract.rig import unique

SIZES = [0, 1, 65_535, 65_536, 65_537, 1_048_576, 1_048_577, 4 * 1_048_576 + 17]


def content(size: int) -> bytes:
    """Bytes in which no two pieces are alike, so that mixing them up would show."""
    blocks = (hashlib.sha256(number.to_bytes(8)).digest() for number in range(size // 32 + 1))
    return b"".join(blocks)[:size]


@pytest.mark.parametrize("size", SIZES)
async def test_a_blob_comes_back_as_it_was(storage: Storage, size: int) -> None:
    name = unique("blob")
    await storage.blobs.put(PAYLOADS, name, content(size))
    assert await storage.blobs.get(PAYLOADS, name) == content(size)


@pytest.mark.parametrize(
    ("first", "count"), [(0, 1), (0, 65_536), (65_535, 2), (65_536, 65_536), (100_000, 200_000), (250_000, 100_000)]
)
async def test_a_part_of_a_blob(storage: Storage, first: int, count: int) -> None:
    name, whole = unique("blob"), content(300_001)
    await storage.blobs.put(PAYLOADS, name, whole)
    assert await storage.blobs.get_part(PAYLOADS, name, first, count) == whole[first : first + count]


async def test_a_part_of_a_blob_that_is_not_there(storage: Storage) -> None:
    with pytest.raises(Missing):
        await storage.blobs.get_part(PAYLOADS, unique("blob"), 0, 10)


@pytest.mark.parametrize("name", ["a/b/c.json", "with space", "Grüße 世界 😀", "100%25", "a'b+c&d=e?f#g", "x" * 1000])
async def test_a_blob_is_found_by_its_name(storage: Storage, name: str) -> None:
    name = f"{unique('blob')}{name}"
    await storage.blobs.put(PAYLOADS, name, b"x")
    assert await storage.blobs.get(PAYLOADS, name) == b"x"
    await storage.blobs.delete(PAYLOADS, name)
    with pytest.raises(Missing):
        await storage.blobs.get(PAYLOADS, name)


@pytest.mark.parametrize(("first", "second"), [(10, 20), (20, 0), (5 * 1_048_576, 3), (3, 3 * 1_048_576)])
async def test_a_blob_is_written_over_one_that_is_there(storage: Storage, first: int, second: int) -> None:
    name = unique("blob")
    await storage.blobs.put(PAYLOADS, name, b"\xff" * first)
    await storage.blobs.put(PAYLOADS, name, content(second))
    assert await storage.blobs.get(PAYLOADS, name) == content(second)


async def test_a_blob_that_is_not_there_is_missing(storage: Storage) -> None:
    with pytest.raises(Missing):
        await storage.blobs.get(PAYLOADS, unique("blob"))


async def test_a_blob_that_is_not_there_may_be_deleted(storage: Storage) -> None:
    name = unique("blob")
    await storage.blobs.put(PAYLOADS, name, b"x")
    await storage.blobs.delete(PAYLOADS, name)
    await storage.blobs.delete(PAYLOADS, name)
    with pytest.raises(Missing):
        await storage.blobs.get(PAYLOADS, name)


async def test_containers_are_apart(storage: Storage) -> None:
    name = unique("blob")
    await storage.blobs.put(PAYLOADS, name, b"payload")
    await storage.blobs.put(RESULTS, name, b"result")
    await storage.blobs.delete(RESULTS, name)
    assert await storage.blobs.get(PAYLOADS, name) == b"payload"
