"""One of something for each event loop, and nothing of loops that are over."""

from __future__ import annotations

import asyncio

import pytest

from hub.per_loop import PerLoop


def test_each_loop_has_its_own_until_it_is_closed() -> None:
    kept: PerLoop[str] = PerLoop()

    async def keep(what: str) -> str | None:
        before = kept.get()
        assert kept.keep(what) == kept.get() == what
        return before

    with asyncio.Runner() as one, asyncio.Runner() as other:
        assert [one.run(keep("a")), other.run(keep("b")), one.run(keep("c"))] == [None, None, "a"]
        assert list(kept) == ["c", "b"]
    assert asyncio.run(keep("d")) is None
    assert list(kept) == ["d"]


async def test_what_is_forgotten_is_answered_once() -> None:
    kept: PerLoop[str] = PerLoop()
    kept.keep("a")
    assert (kept.forget(), kept.forget(), kept.get()) == ("a", None, None)


def test_outside_of_a_loop_there_is_nothing_to_ask_for() -> None:
    with pytest.raises(RuntimeError):
        PerLoop[str]().get()
