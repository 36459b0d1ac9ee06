"""Statistics of several stretches as one, and of many names as few."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model.stats import Stats
from hub.rules.adding_up import MOST_NAMES, OTHERS, added, bounded
from hub.rules.prices import estimated_cost


def test_counts_of_the_same_name_are_added() -> None:
    sum_of = added([Stats(types={"A": 1, "B": 2}, waits={3: 1}), Stats(types={"A": 4}, waits={3: 2, 4: 1}), Stats()])
    assert sum_of == Stats(types={"A": 5, "B": 2}, waits={3: 3, 4: 1})


def test_few_names_are_kept_as_they_are() -> None:
    counts = {f"T{number}|ERROR": 1 for number in range(MOST_NAMES)}
    assert bounded(counts) == counts


def test_the_smallest_go_into_one_by_what_is_counted_of_them() -> None:
    large = {f"L{number}|SUCCESS": 10 for number in range(MOST_NAMES)}
    counts = {**large, "a|SUCCESS": 1, "b|SUCCESS": 2, "c|ERROR": 3}
    assert bounded(counts) == {**large, f"{OTHERS}|SUCCESS": 3, f"{OTHERS}|ERROR": 3}


@given(st.dictionaries(st.integers(0, 5000).map(str), st.integers(1, 9), max_size=2000))
def test_nothing_is_lost_and_bounding_again_changes_nothing(counts: dict[str, int]) -> None:
    once = bounded(counts)
    assert sum(once.values()) == sum(counts.values())
    assert len(once) <= MOST_NAMES + 1
    assert sum(bounded({**once, "one more": 1}).values()) == sum(counts.values()) + 1


def test_what_operations_cost() -> None:
    operations = {"table.get": 10_000, "queue.put": 10_000, "blob.put": 10_000, "blob.get": 10_000}
    assert estimated_cost(operations) == pytest.approx(0.00036 + 0.004 + 0.05 + 0.004)
