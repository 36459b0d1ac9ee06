from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.functions.shell import Shell, opened_shell


@pytest.fixture
async def shell() -> AsyncIterator[Shell]:
    """A hub in memory behind its functions, on a clock that the test moves."""
    async with opened_shell() as opened:
        yield opened
