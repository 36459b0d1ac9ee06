"""A long sequence in pieces of a bounded size: as many as fit in one transaction, or as are worked on at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def batches(items: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """The items in their order, at most so many at a time. `itertools.batched`, which is there from Python 3.12 on."""
    for start in range(0, len(items), most):
        yield items[start : start + most]
