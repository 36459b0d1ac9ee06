"""What storage operations cost on Azure, roughly: list prices in US dollars, locally redundant storage, 2025.

They are for comparing one configuration with another, not for a bill: regions and redundancy differ, and prices change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PER_TEN_THOUSAND: Final[Mapping[str, float]] = {
    "table": 0.00036,
    "queue": 0.004,
    "blob.put": 0.05,
    "blob": 0.004,
}
"""By kind of operation, or by the part of its name before the dot."""


def estimated_cost(operations: Mapping[str, int]) -> float:
    """Dollars for these operations, by kind (`table.get`, `blob.put`)."""
    return sum(count * _price(kind) for kind, count in operations.items()) / 10_000


def _price(kind: str) -> float:
    price = PER_TEN_THOUSAND.get(kind)
    return PER_TEN_THOUSAND[kind.partition(".")[0]] if price is None else price
