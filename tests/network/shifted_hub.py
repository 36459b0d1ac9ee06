"""The hub on a clock that is so many seconds off (`CLOCK_OFF_SECONDS`): hosts the same app, with one class replaced."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta

import hub.clock

OFF = timedelta(seconds=float(os.environ["CLOCK_OFF_SECONDS"]))


class ShiftedClock(hub.clock.SystemClock):
    """The machine's clock, as if somebody had set it."""

    def now(self) -> datetime:
        return super().now() + OFF


hub.clock.SystemClock = ShiftedClock  # type: ignore[misc]  # before the hub is imported, which asks for it by name

if __name__ == "__main__":
    from hosting.host import main

    sys.exit(main())
