"""What the tests of the local host share."""

from __future__ import annotations

import time

import psutil

PATIENCE_SECONDS = 30.0  # for what happens at once on an idle machine


def is_gone(process: psutil.Process) -> bool:
    """Whether it has ended. A zombie has: its parent is dead, and process 1 of a container may never collect it."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def assert_gone(process: psutil.Process) -> None:
    """Wait until a process that is not our child has ended: there is nothing to wait on but its state."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_gone(process):
        assert time.monotonic() < deadline, f"{process} is still there"
        time.sleep(0.02)
