from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from hub import telemetry
from tests.functions.shell import Shell, opened_shell


@pytest.fixture(autouse=True)
def _records_as_the_app_makes_them() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(telemetry.record)
    yield
    logging.setLogRecordFactory(before)


@pytest.fixture
async def shell() -> AsyncIterator[Shell]:
    """A hub in memory behind its functions, on a clock that the test moves."""
    async with opened_shell() as opened:
        yield opened
