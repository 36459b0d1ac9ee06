from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hosting.hub_client import address
from tests.e2e.local_platform import Platform

MODULES = Path(__file__).parent / "modules"


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """A running platform of this test's own, on the embedded engine, with the test modules."""
    home = tmp_path / "home"
    shutil.copytree(MODULES, home / "modules")
    with Platform(home) as running:
        yield running


def configure(platform: Platform, name: str, module: str, **event_type: Any) -> None:
    """An event type on the local sink whose action runs this module."""
    client = platform.client
    action = {"name": f"do-{name}", "runtime": "python", "module": module, **event_type.pop("action", {})}
    client.put(address("actions", action["name"]), action)
    client.put(
        address("event-types", name), {"name": name, "sink_type": "PYTHON:BASE", "action": action["name"], **event_type}
    )
