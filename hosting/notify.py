"""Tells systemd how this process fares: ready, stopping, alive. Without systemd nobody listens, and nothing is said."""

from __future__ import annotations

import asyncio
import logging
import os
import socket

_logger = logging.getLogger("Host.Startup")


def notify(state: str) -> None:
    """Send a state such as `READY=1` to the service manager that started us, if one did."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):  # Linux: a name that is no file
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.connect(address)
            line.sendall(state.encode())
    except OSError as error:
        _logger.warning("the service manager could not be told %s: %s", state, error.strerror)


async def stay_alive() -> None:
    """Say so twice in each period of the watchdog, from the event loop, so that one that hangs is noticed."""
    period = os.environ.get("WATCHDOG_USEC", "")
    if not period.isdecimal() or int(period) == 0:
        return
    while True:
        notify("WATCHDOG=1")
        await asyncio.sleep(int(period) / 2_000_000)
