"""`make bench`: prints a table, and writes it to .local/bench.json.

Every figure of a run stands beside the bare storage operations of the same run: machines differ, ratios less so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hosting.azurite import start_azurite
from hub.clock import SystemClock
from hub.storage.azure import open_azure
from hub.storage.embedded import open_embedded
from hub.storage.ports import Storage
from tests.bench import floor, platform, start, use_cases
from tests.bench.figures import Figures, beyond_bounds, table

RESULT = Path(__file__).resolve().parents[2] / ".local" / "bench.json"
ENGINES = ("embedded", "azurite")
ONE_BY_ONE = 300


def main() -> int:
    """Measure on the engines asked for; 1 if a figure exceeds its bound."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--storage", choices=ENGINES, nargs="+", default=ENGINES)
    parser.add_argument("--burst", type=int, default=platform.BURST, help="events of the burst")
    arguments = parser.parse_args()
    columns: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for storage in arguments.storage:
            columns[storage] = _measure(folder, storage, arguments.burst)
        columns[arguments.storage[0]] = {**columns[arguments.storage[0]], **start.measure(folder)}
    print(table(columns))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(columns, indent=2) + "\n")
    beyond = [words for figures in columns.values() for words in beyond_bounds(figures)]
    for words in beyond:
        print(f"too much: {words}")
    return 1 if beyond else 0


def _measure(folder: Path, storage: str, burst: int) -> Figures:
    if storage == "embedded":
        figures = asyncio.run(_storage(folder, None, burst))
    else:
        with start_azurite(folder / "azurite") as azurite:
            figures = asyncio.run(_storage(folder, azurite.connection_string, burst))
    return _with_ratios({**figures, **platform.measure(folder, storage, burst)})


async def _storage(folder: Path, connection: str | None, burst: int) -> dict[str, float]:
    """The bare operations, and the use cases on them."""
    storage = await _open(folder / "floor.db", connection)
    await storage.prepare()
    figures = {
        "floor_ms": await floor.milliseconds(storage, ONE_BY_ONE),
        "floor_events_per_second": await floor.burst_per_second(storage, burst, platform.CALLERS),
        "child_floor_events_per_second": await floor.burst_per_second(
            storage, burst, platform.CALLERS, start.BARE_CHILD
        ),
    }
    await storage.close()
    return {**figures, **await use_cases.measure(await _open(folder / "cases.db", connection), ONE_BY_ONE)}


async def _open(path: Path, connection: str | None) -> Storage:
    if connection is None:
        return open_embedded(path, SystemClock())
    return await open_azure(connection, clock=SystemClock())


def _with_ratios(figures: Mapping[str, float]) -> Figures:
    return {
        **figures,
        "event_ratio": figures["event_ms"] / figures["floor_ms"],
        "burst_ratio": figures["burst_events_per_second"] / figures["floor_events_per_second"],
        "child_burst_ratio": figures["burst_events_per_second"] / figures["child_floor_events_per_second"],
    }


if __name__ == "__main__":
    sys.exit(main())
