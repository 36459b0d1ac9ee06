"""What several folders of tests share."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator

import pytest

from hosting.azurite import start_azurite


@pytest.fixture(autouse=True, scope="session")
def _signals() -> None:
    """Who started the tests in the background let interrupts be ignored, and all that they start would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _plain_log_records() -> Iterator[None]:
    """The functions' app, once imported, makes all records of the process: those of other tests too."""
    factory = logging.getLogRecordFactory()
    logging.setLogRecordFactory(logging.LogRecord)
    yield
    logging.setLogRecordFactory(factory)


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    """The connection string of an Azurite of this run's own, in memory."""
    with start_azurite() as started:
        yield started.connection_string
