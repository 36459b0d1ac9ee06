"""Runs checkov without a network: whoever it would ask is refused, and named on standard error.

Run by the Python of checkov's own virtual environment, so it imports nothing of this project.
"""

from __future__ import annotations

import importlib
import socket
import sys
from typing import Any, NoReturn


def _refuse(*asked: Any, **_: Any) -> NoReturn:
    print(f"ASKED THE NETWORK {asked!r}", file=sys.stderr)
    raise OSError("there is no network here")


if __name__ == "__main__":
    socket.getaddrinfo = _refuse
    socket.socket.connect = _refuse  # type: ignore[method-assign]
    sys.exit(importlib.import_module("checkov.main").Checkov().run())
