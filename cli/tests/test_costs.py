"""What a hub costs: the arithmetic by hand, and what must be so of any load."""

from __future__ import annotations

import copy
import inspect
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nexo_cli.commands import cost as command
from nexo_cli.costs import SECONDS, Load, Plan, cheapest, cost, used

DATA = Path(__file__).resolve().parents[1] / "nexo_cli"
PRICES: dict[str, Any] = json.loads((DATA / "prices.json").read_text("utf-8"))
MEASURED: dict[str, Any] = json.loads((DATA / "measured.json").read_text("utf-8"))
PLANS = st.sampled_from(list(Plan))
SINKS = st.integers(0, 5000)
EVENTS = st.floats(0, 1e6)


def total(plan: Plan, load: Load, prices: dict[str, Any] = PRICES) -> float:
    return cost(plan, load, prices, MEASURED)["total"]


@example(Plan.ALWAYS_READY, 0, 1, 95_116.0)  # nobody polls where there is no sink, however much waits
@given(PLANS, SINKS, SINKS, EVENTS)
def test_more_sinks_cost_no_less(plan: Plan, one: int, other: int, events: float) -> None:
    few, many = sorted((one, other))
    assert total(plan, Load(few, events)) <= total(plan, Load(many, events)) + 1e-9


@given(PLANS, SINKS, EVENTS, EVENTS)
def test_more_events_cost_no_less(plan: Plan, sinks: int, one: float, other: float) -> None:
    few, many = sorted((one, other))
    assert total(plan, Load(sinks, few)) <= total(plan, Load(sinks, many)) + 1e-9


def test_one_instance_always_ready_by_hand() -> None:
    """730 h × 3600 s × 2 GB, all of it busy with held polls: 5,256,000 GB-s at 0.000016 and 0.000004, and no grant."""
    parts = cost(Plan.ALWAYS_READY, Load(1, 0, memory_gb=2), PRICES, MEASURED)
    assert parts["running"] == pytest.approx(5_256_000 * 0.000020)  # the timer's 87,600 GB-s are below its grant
    assert parts["executions"] == pytest.approx(2_628_000 / 50 * 0.4e-6)
    looks, seen, versions, timer = 2_628_000 * 1.2, 2_628_000 / 50, 2_628_000 / 50, 43_800 * 12
    assert parts["operations"] == pytest.approx(looks * 0.4e-6 + (seen + versions + timer) * 0.036e-6)


def test_ten_sinks_on_demand_by_hand() -> None:
    """A call a minute each: at least one is billed 15.4 % of the time."""
    load = Load(10, 0, memory_gb=2)
    use = used(Plan.ON_DEMAND, load, MEASURED)
    assert use.executions == 438_000
    assert use.gb_seconds == pytest.approx(2 * SECONDS * (1 - math.exp(-1 / 6)))
    parts = cost(Plan.ON_DEMAND, load, PRICES, MEASURED)
    assert parts["running"] == pytest.approx((use.gb_seconds + 87_600 - 100_000) * 0.000026)
    assert parts["executions"] == pytest.approx((438_000 + 43_800 - 250_000) * 0.4e-6)


def test_nothing_to_do_is_free_on_demand_but_for_the_timer() -> None:
    parts = cost(Plan.ON_DEMAND, Load(0, 0), PRICES, MEASURED)
    assert parts["running"] == parts["executions"] == 0
    assert parts["operations"] == pytest.approx(43_800 * 12 * 0.036e-6)


def test_the_cheapest_depends_on_the_prices() -> None:
    load = Load(1000, 1000)
    dear = copy.deepcopy(PRICES)
    dear["machine"]["month"] = 1000.0
    assert cheapest({plan: total(plan, load) for plan in Plan}) is Plan.MACHINE
    assert cheapest({plan: total(plan, load, dear) for plan in Plan}) is Plan.ALWAYS_READY


def test_a_machine_costs_what_it_costs() -> None:
    assert cost(Plan.MACHINE, Load(7, 7), PRICES, MEASURED) == {"machine": 30.0, "total": 30.0}


def test_an_instance_has_the_memory_that_the_templates_give_it_unless_somebody_says_otherwise() -> None:
    template = (Path(__file__).parents[2] / "infra" / "bicep" / "main.bicep").read_text("utf-8")
    megabytes = re.search(r"^param instanceMemoryMB int = (\d+)$", template, re.MULTILINE)
    assert megabytes is not None
    assert Load(1, 0).memory_gb == int(megabytes[1]) / 1024
    assert inspect.signature(command.cost).parameters["memory"].default == Load(1, 0).memory_gb
