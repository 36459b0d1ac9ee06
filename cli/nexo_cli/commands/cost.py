"""`nexo cost`: what a hub costs a month, by plan. Asks no hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from nexo_cli import output
from nexo_cli.command import command
from nexo_cli.costs import Load, Plan, cheapest
from nexo_cli.costs import cost as cost_of
from nexo_cli.errors import Exit, NexoError
from nexo_cli.state import run

DATA = Path(__file__).resolve().parent.parent
SINKS = (1, 10, 100, 1000)
EVENTS_PER_DAY = 1000.0
PARTS = ("running", "executions", "operations", "stored", "machine", "total")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "cost")(cost)


def cost(
    sinks: Annotated[list[int] | None, typer.Option(min=0, help="Unless given: 1, 10, 100 and 1000.")] = None,
    events_per_day: Annotated[float, typer.Option(min=0, help="All sinks' together.")] = EVENTS_PER_DAY,
    plan: Annotated[list[Plan] | None, typer.Option(help="Unless given: all three.")] = None,
    pools: Annotated[int, typer.Option(min=1, help="How many SinkTypes.")] = 1,
    memory: Annotated[float, typer.Option(min=0.5, help="GB of an instance.")] = 0.5,
    prices: Annotated[Path | None, typer.Option(help="Your prices, in a file as prices.json is.")] = None,
) -> None:
    """Say what a hub costs a month, by plan, and which is cheapest.

    Measured figures times a table of prices that are examples: put in yours with --prices. Asks no hub.
    """
    table = document(prices or DATA / "prices.json")
    try:
        rows = rows_of(table, sinks or list(SINKS), events_per_day, plan or list(Plan), pools, memory)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NexoError(f"{prices or 'prices.json'} is no table of prices: {error!r}", Exit.USAGE) from None
    if run.json:
        head = {name: table.get(name) for name in ("currency", "region", "read_on")}
        output.json_out({**head, "events_per_day": events_per_day, "rows": rows})
        return
    columns = ["sinks", "plan", *PARTS, ""]
    output.table(columns, [[row["sinks"], row["plan"], *map(_money, _parts(row)), _mark(row)] for row in rows])
    output.note(
        f"{table.get('currency')} a month, {events_per_day:g} events a day; prices of {table.get('region')}, "
        f"read on {table.get('read_on')}: examples, check them and put in yours with --prices"
    )


def rows_of(
    prices: dict[str, Any], sinks: list[int], events_per_day: float, plans: list[Plan], pools: int, memory: float
) -> list[dict[str, Any]]:
    """One for each number of sinks and plan."""
    measured = document(DATA / "measured.json")
    rows: list[dict[str, Any]] = []
    for number in sinks:
        load = Load(number, events_per_day, pools, memory)
        costs = {plan: cost_of(plan, load, prices, measured) for plan in plans}
        best = cheapest({plan: parts["total"] for plan, parts in costs.items()})
        rows += [
            {"sinks": number, "plan": plan.value, "cost": parts, "cheapest": plan is best}
            for plan, parts in costs.items()
        ]
    return rows


def document(path: Path) -> dict[str, Any]:
    """A JSON object of a file. Raises NexoError."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise NexoError(f"{path} cannot be read: {error}", Exit.USAGE) from None
    if not isinstance(document, dict):
        raise NexoError(f"{path} holds no JSON object", Exit.USAGE)
    return document


def _parts(row: dict[str, Any]) -> list[float | None]:
    return [row["cost"].get(part) for part in PARTS]


def _money(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _mark(row: dict[str, Any]) -> str:
    return "cheapest" if row["cheapest"] else ""
