"""What happened in a stretch of time, as counts that can be added to those of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final, TypeAlias

Counts: TypeAlias = Mapping[str, int]
Histogram: TypeAlias = Mapping[int, int]
"""How many durations fell into each bucket of `rules/histogram.py`; empty buckets are left out."""

BETWEEN: Final = "|"
"""Between a name and what is counted of it apart: `CLEANUP|ERROR`. No name has it."""


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts of one stretch of time."""

    sources: Counts = field(default_factory=dict)
    """Events created, by name and kind of their source: `github|WEBHOOK`."""
    types: Counts = field(default_factory=dict)
    """Events created, by event type."""
    states: Counts = field(default_factory=dict)
    """Events that became final, by state."""
    type_states: Counts = field(default_factory=dict)
    """The same by event type and state: `CLEANUP|ERROR`."""
    sink_states: Counts = field(default_factory=dict)
    """The same by sink and state. Those that ended without a sink are left out."""
    codes: Counts = field(default_factory=dict)
    """Events that ended as ERROR, by result code."""
    outcomes: Counts = field(default_factory=dict)
    """Attempts that ended, by outcome."""
    operations: Counts = field(default_factory=dict)
    """Storage operations, by kind."""
    waits: Histogram = field(default_factory=dict)
    """From when an event could have run to its claim."""
    runs: Histogram = field(default_factory=dict)
    """From a claim to the end of its attempt."""


FIELDS: Final = tuple(each.name for each in fields(Stats))
HISTOGRAMS: Final = frozenset({"waits", "runs"})
