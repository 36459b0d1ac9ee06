"""What the agent's tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_testing.fake_hub import FakeHub


@pytest.fixture(autouse=True, scope="session")
def _hangs_up() -> None:
    """Who started the tests may have let SIGHUP be ignored, and agents and tasks would inherit that."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    """A hub on a real socket; at the end, nothing it was told may have been of a wrong shape."""
    with FakeHub() as made:
        yield made


@pytest.fixture
def modules() -> Path:
    return Path(__file__).parent / "modules"
