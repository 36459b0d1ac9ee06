"""Adding statistics up, and keeping them small. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from hub.model.stats import BETWEEN, FIELDS, Counts, Stats

OTHERS: Final = "(others)"
"""Takes the counts of the names beyond those that are kept."""
MOST_NAMES: Final = 300
"""Of each kind in one stretch: a column holds so many, and nobody reads more."""


def added(stretches: Iterable[Stats]) -> Stats:
    """All of them as one."""
    sums: dict[str, dict[Any, int]] = {name: {} for name in FIELDS}
    for stretch in stretches:
        for name, into in sums.items():
            for key, count in getattr(stretch, name).items():
                into[key] = into.get(key, 0) + count
    return Stats(**sums)


def bounded(counts: Counts) -> Counts:
    """The largest counts by name, and all the rest as one: for each kind of thing that is counted apart."""
    if len(counts) <= MOST_NAMES:
        return counts
    by_size = sorted(counts.items(), key=lambda each: (_is_rest(each[0]), -each[1], each[0]))
    kept = dict(by_size[:MOST_NAMES])
    for name, count in by_size[MOST_NAMES:]:
        rest = OTHERS + name[len(name.partition(BETWEEN)[0]) :]
        kept[rest] = kept.get(rest, 0) + count
    return kept


def _is_rest(name: str) -> bool:
    return name.partition(BETWEEN)[0] == OTHERS
