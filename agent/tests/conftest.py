"""What the agent's tests share."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_testing.fake_hub import FakeHub


@pytest.fixture(autouse=True, scope="session")
def _signals() -> None:
    """Who started the tests may have let these be ignored, and agents and tasks would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _plain_log_records() -> Iterator[None]:
    """Tests of the hub in the same process make records of their own, for all of it."""
    factory = logging.getLogRecordFactory()
    logging.setLogRecordFactory(logging.LogRecord)
    yield
    logging.setLogRecordFactory(factory)


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    """A hub on a real socket; at the end, nothing it was told may have been of a wrong shape."""
    with FakeHub() as made:
        yield made


@pytest.fixture
def modules() -> Path:
    return Path(__file__).parent / "modules"
