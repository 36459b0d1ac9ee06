"""Long work on the event loop, in pieces between which others have their turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, TypeVar

from hub.batches import batches

A_TURN: Final = 100
"""Rows that are looked at in one go. At about 20 µs each that is 2 ms, and a request waits for a few such turns."""

T = TypeVar("T")
R = TypeVar("R")


async def in_turns(items: Sequence[T]) -> AsyncIterator[Sequence[T]]:
    """The items in their order, `A_TURN` at a time; whatever else the loop has to do is done in between."""
    for number, some in enumerate(batches(items, A_TURN)):
        if number:
            await asyncio.sleep(0)
        yield some


async def map_in_turns(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """What the function makes of each, in their order."""
    return [function(item) async for some in in_turns(items) for item in some]
