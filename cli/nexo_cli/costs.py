"""What a hub costs a month: measured figures × a table of prices. Pure; all figures are per month of 730 hours.

An estimate for choosing between plans, not a bill. Where a figure has to be guessed it is guessed too high: calls are
taken to come singly, so that each begins a billed second of its own unless another is running.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

SECONDS: Final = 730 * 3600
DAYS: Final = 730 / 24
LEAST_BILLED_SECONDS: Final = 1.0
"""Flex Consumption bills an instance by the time in which anything runs on it, a second at least."""


class Plan(StrEnum):
    """Where the hub runs."""

    ON_DEMAND = "on-demand"
    """Flex Consumption; polls are never held and sinks stay away longer and longer (`cadence` is `pause`)."""
    ALWAYS_READY = "always-ready"
    """Flex Consumption with one instance always ready, which holds polls."""
    MACHINE = "machine"
    """One machine with the embedded engine."""


@dataclass(frozen=True)
class Load:
    """What there is to do."""

    sinks: int
    events_per_day: float
    pools: int = 1
    """SinkTypes: each has a queue of its own that is looked at."""
    memory_gb: float = 0.5
    """Of an instance."""
    kept_days: float = 30.0
    """How long events are kept."""

    @property
    def events(self) -> float:
        """In a month."""
        return self.events_per_day * DAYS


@dataclass(frozen=True)
class Use:
    """What a month uses of what is paid for."""

    operations: Mapping[str, float]
    executions: float
    gb_seconds: float
    """While something runs on the instance that answers."""
    baseline_gb_seconds: float
    """Of an instance that is always ready."""
    timer_gb_seconds: float
    """The timer has an instance of its own, on demand."""
    timer_executions: float
    stored_gb: float


def cost(plan: Plan, load: Load, prices: Mapping[str, Any], measured: Mapping[str, Any]) -> dict[str, float]:
    """Money a month by what it is for, and `total`."""
    if plan is Plan.MACHINE:
        parts = {"machine": float(prices["machine"]["month"])}
    else:
        use = used(plan, load, measured)
        parts = {**_functions(plan, use, prices["functions"]), **_storage(use, prices["storage"])}
    return {**parts, "total": sum(parts.values())}


def cheapest(totals: Mapping[Plan, float]) -> Plan:
    """The plan that costs least; the first of those that cost the same."""
    return min(totals, key=lambda plan: totals[plan])


def used(plan: Plan, load: Load, measured: Mapping[str, Any]) -> Use:
    """What a month on Azure uses."""
    polls = _polls(plan, load, measured)
    calls = polls + load.events * measured["calls_per_event"]
    held = plan is Plan.ALWAYS_READY and load.sinks > 0
    answering = SECONDS if held else SECONDS * _share_in_use(calls / SECONDS, load, measured)
    timer = SECONDS / 60 * measured["timer_runs_per_minute"]
    return Use(
        operations=_operations(load, measured, polls=polls, calls=calls, timer=timer, held=held),
        executions=calls,
        gb_seconds=answering * load.memory_gb,
        baseline_gb_seconds=SECONDS * load.memory_gb if plan is Plan.ALWAYS_READY else 0.0,
        timer_gb_seconds=timer * LEAST_BILLED_SECONDS * load.memory_gb,
        timer_executions=timer,
        stored_gb=load.events_per_day * load.kept_days * measured["row_bytes_per_event"] / 1e9,
    )


def _polls(plan: Plan, load: Load, measured: Mapping[str, Any]) -> float:
    if load.sinks == 0:
        return 0.0  # whatever there is to do waits
    if plan is Plan.ALWAYS_READY:
        return float(load.sinks * SECONDS / measured["held_poll_seconds"] + load.events)
    # Whoever has had an event comes more often for a while.
    idle = load.sinks * SECONDS / measured["longest_pause_seconds"]
    return float(idle + load.events * measured["polls_while_backing_off"])


def _share_in_use(calls_per_second: float, load: Load, measured: Mapping[str, Any]) -> float:
    """How much of the time at least one call is billed, when calls come at any moment (Poisson), and what the
    processor needs beyond one instance."""
    billed = 1 - math.exp(-calls_per_second * LEAST_BILLED_SECONDS)
    return float(max(billed, load.events / SECONDS * measured["hub_seconds_per_event"]))


def _operations(
    load: Load, measured: Mapping[str, Any], *, polls: float, calls: float, timer: float, held: bool
) -> dict[str, float]:
    seen = min(polls, load.sinks * SECONDS / measured["presence_at_most_every_seconds"])
    looks = SECONDS * measured["receives_per_second_and_pool"] * load.pools if held else polls * 2
    versions = min(calls, SECONDS * measured["version_reads_per_second"])
    total = {"table": seen + versions, "queue": looks}
    for kind, number in measured["operations_per_event"].items():
        total[kind] = total.get(kind, 0.0) + number * load.events
    for kind, number in measured["operations_per_timer_run"].items():
        total[kind] = total.get(kind, 0.0) + number * timer
    return total


def _functions(plan: Plan, use: Use, prices: Mapping[str, float]) -> dict[str, float]:
    on_demand = use.timer_gb_seconds + (use.gb_seconds if plan is Plan.ON_DEMAND else 0.0)
    executions = use.timer_executions + (use.executions if plan is Plan.ON_DEMAND else 0.0)
    paid = max(0.0, on_demand - prices["free_gb_seconds"]) * prices["on_demand_gb_second"]
    counted = max(0.0, executions - prices["free_executions"])
    if plan is Plan.ALWAYS_READY:  # it has no grants
        paid += use.gb_seconds * prices["always_ready_gb_second"]
        paid += use.baseline_gb_seconds * prices["always_ready_baseline_gb_second"]
        counted += use.executions
    return {"running": paid, "executions": counted / 1e6 * prices["million_executions"]}


def _storage(use: Use, prices: Mapping[str, Any]) -> dict[str, float]:
    each = prices["per_ten_thousand"]
    return {
        "operations": sum(number / 1e4 * each[kind] for kind, number in use.operations.items()),
        "stored": use.stored_gb * prices["gb_month"],
    }
