"""What was measured, and how it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

Figures: TypeAlias = Mapping[str, float]

WORDS: Final[Mapping[str, str]] = {
    "floor_ms": "an event's seven storage operations, bare (ms)",
    "event_ms": "an event through the hub's use cases (ms)",
    "event_ratio": "  times the bare operations",
    "storage_operations": "storage operations of an event",
    "start_ms_p50": "webhook sent to first line of user code, median (ms)",
    "start_ms_p95": "  95th percentile",
    "completion_ms_p50": "webhook sent to SUCCESS, median (ms)",
    "completion_ms_p95": "  95th percentile",
    "bare_child_ms": "a bare `python -I -S` child running one line, median (ms)",
    "floor_events_per_second": "bare storage operations of such a burst (events/s)",
    "child_floor_events_per_second": "  each with a bare child process (events/s)",
    "burst_events": "events of the burst, from 8 callers to one sink with 8 slots",
    "burst_events_per_second": "  first POST to last SUCCESS (events/s)",
    "burst_ratio": "  of what the bare storage operations allow",
    "child_burst_ratio": "  of what these and a bare child for each allow",
    "accepted_per_second": "  acknowledged to callers (events/s)",
    "hub_cpu_ms": "processor time of an event: hub (ms)",
    "agent_cpu_ms": "  agent (ms)",
    "child_cpu_ms": "  child (ms)",
    "storage_cpu_ms": "  Azurite (ms)",
    "hub_idle_mib": "memory of the hub, idle (MiB)",
    "hub_mib": "  after the burst",
    "agent_idle_mib": "memory of the agent, idle (MiB)",
    "agent_mib": "  after the burst",
    "child_mib": "memory of a child, peak (MiB)",
    "import_ms": "importing function_app, beside a bare interpreter (ms)",
    "hub_start_ms": "hub process started to first answer (ms)",
    "answering_cpu_ms": "processor time until a webhook and a poll are answered (ms)",
    "answering_cpu_ratio": "  times a bare interpreter with azure.functions",
    "answering_mib": "memory then (MiB)",
    "answering_memory_ratio": "  times a bare interpreter with azure.functions",
}
BOUNDS: Final[Mapping[str, float]] = {"answering_cpu_ratio": 8.0, "answering_memory_ratio": 2.5}
"""What these must not exceed: an instance that starts keeps its first callers waiting, and is paid for by its size."""


def table(columns: Mapping[str, Figures]) -> str:
    """One row a figure, one column an engine."""
    lines = [" " * 62 + "".join(f"{name:>12}" for name in columns)]
    for key, words in WORDS.items():
        if any(key in figures for figures in columns.values()):
            cells = (f"{figures[key]:12.2f}" if key in figures else " " * 12 for figures in columns.values())
            lines.append(f"{words:62}" + "".join(cells))
    return "\n".join(lines)


def beyond_bounds(figures: Figures) -> list[str]:
    """What is too much, in words."""
    return [
        f"{WORDS[key].strip()} ({key}): {figures[key]:.2f}, and at most {most:g} is allowed"
        for key, most in BOUNDS.items()
        if figures.get(key, 0.0) > most
    ]
