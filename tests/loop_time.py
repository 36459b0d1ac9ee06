"""Time that passes at once, for tests on a real event loop: what waits is over, however slow the machine is."""

from __future__ import annotations

import asyncio

import pytest


def move_loop_time(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """From now on the running loop's time is so many seconds later."""
    loop = asyncio.get_running_loop()
    now = loop.time
    monkeypatch.setattr(loop, "time", lambda: now() + seconds)
