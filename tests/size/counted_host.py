"""The local host, and beside it a file that says twice a second what the hub asked of storage and how upkeep went.

    python -m tests.size.counted_host FILE --app DIR …

The hub itself tells nobody: this looks at its counters from a thread, and at the clock around the timer's work.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Final

from hosting import host

EVERY_SECONDS: Final = 0.5
_ticks: list[tuple[float, float]] = []
"""When each of the timer's runs began and ended, by the monotonic clock."""


def _time_the_timer() -> None:
    from hub.upkeep.tick import Upkeep

    tick = Upkeep.tick

    async def timed(self: Upkeep) -> None:
        began = time.monotonic()
        await tick(self)
        _ticks.append((began, time.monotonic()))

    Upkeep.tick = timed  # type: ignore[method-assign]


def _write_for_ever(file: Path) -> None:
    from hub import process

    while True:
        time.sleep(EVERY_SECONDS)
        for opened in list(process._hubs):
            if opened.done() and opened.exception() is None:
                counts = opened.result().storage.operations.by_kind()
                beside = file.with_suffix(".new")
                beside.write_text(json.dumps({"at": time.monotonic(), "ticks": _ticks, "counts": counts}))
                beside.replace(file)


def main() -> int:
    """Serve, as `hosting.host` does."""
    _time_the_timer()
    threading.Thread(target=_write_for_ever, args=(Path(sys.argv[1]),), daemon=True).start()
    return host.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
