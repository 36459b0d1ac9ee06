"""A small disk of its own for a process: nobody else sees it, and it goes with the process."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest


def on_small_disk(folder: Path, size: str) -> list[str]:
    """What to put before a command line, so that the folder is a disk of this size (in mount's words) to it.

    Where that cannot be had the test is skipped with why, and fails in CI.
    """
    under = ["unshare", "-m" if os.geteuid() == 0 else "-Urm", "sh", "-c"]
    mount = f"mount -t tmpfs -o size={size},mode=700 tmpfs '{folder}'"
    command = [*under, mount]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a test's own folder
    if tried.returncode != 0:
        cannot = f"a small disk cannot be mounted here, so a full one is not tested: {tried.stderr.strip()}"
        pytest.fail(cannot) if "CI" in os.environ else pytest.skip(cannot)
    return [*under, f'{mount} && exec "$@"', "sh"]
