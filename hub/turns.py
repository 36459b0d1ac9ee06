"""Long work on the event loop, in pieces between which others have their turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final, TypeVar

A_TURN: Final = 100
"""Rows that are looked at in one go. At about 20 µs each that is 2 ms, and a request waits for a few such turns."""

T = TypeVar("T")


async def in_turns(items: Sequence[T], each: int = A_TURN) -> AsyncIterator[Sequence[T]]:
    """The items in their order, so many at a time; whatever else the loop has to do is done in between."""
    for start in range(0, len(items), each):
        if start:
            await asyncio.sleep(0)
        yield items[start : start + each]
