"""Anchors, on every engine: written once."""

from __future__ import annotations

import pytest

from hub.errors import Exists, Missing
from hub.storage.ports import Storage
from tests.contract.rig import unique


async def test_one_comes_back_as_it_was(storage: Storage) -> None:
    name, text = unique("anchor"), b'{"at":"2026-03-01T12:00:00Z","heads":[]}'
    await storage.anchors.add(name, text)
    assert await storage.anchors.get(name) == text


async def test_one_that_is_there_stays_as_it_is(storage: Storage) -> None:
    name = unique("anchor")
    await storage.anchors.add(name, b"first")
    with pytest.raises(Exists):
        await storage.anchors.add(name, b"second")
    assert await storage.anchors.get(name) == b"first"


async def test_one_that_is_not_there_is_missing(storage: Storage) -> None:
    with pytest.raises(Missing):
        await storage.anchors.get(unique("anchor"))


async def test_their_names_in_order(storage: Storage) -> None:
    ours = [unique(f"anchor-{letter}") for letter in "cab"]
    for each in ours:
        await storage.anchors.add(each, b"x")
    names = await storage.anchors.names()
    assert names == sorted(names)
    assert [each for each in names if each in ours] == sorted(ours)
