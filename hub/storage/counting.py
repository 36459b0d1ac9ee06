"""Counts storage operations by kind (`table.get`, `queue.receive`, …), as the service would bill them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class OperationCounter:
    """How many operations of each kind. A retried request counts each time it was sent."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, kind: str) -> None:
        """One more of this kind, here and in every `counting` block around the caller."""
        self._counts[kind] += 1
        for counts in _scopes.get():
            counts[kind] += 1

    @property
    def total(self) -> int:
        return self._counts.total()

    def by_kind(self) -> Counter[str]:
        """A copy; subtract two of them for what happened between."""
        return Counter(self._counts)


_scopes: ContextVar[tuple[Counter[str], ...]] = ContextVar("storage_operation_scopes", default=())


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Count what the block, and the tasks it starts, ask of storage."""
    counts: Counter[str] = Counter()
    token = _scopes.set((*_scopes.get(), counts))
    try:
        yield counts
    finally:
        _scopes.reset(token)
