"""`make bench`: prints a table, and writes it to .local/bench.json."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path

from tests.bench import floor, latency

RESULT = Path(__file__).resolve().parents[2] / ".local" / "bench.json"
WORDS = {
    "floor_ms": "the seven storage operations of an event, bare (ms)",
    "event_ms": "an event through the hub's use cases (ms)",
    "ratio": "  that many times the bare operations",
    "storage_operations": "storage operations of an event",
    "start_ms_p50": "webhook sent to first line of user code, median (ms)",
    "completion_ms_p50": "webhook sent to SUCCESS, median (ms)",
    "burst_events_per_second": f"events a second, {latency.BURST} from {latency.CALLERS} callers to one sink",
}


def main() -> None:
    """Measure on the embedded engine."""
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(floor.measure(Path(folder)))
        figures |= latency.measure(Path(folder))
    for name, words in WORDS.items():
        print(f"{words:58} {figures[name]:8.1f}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
