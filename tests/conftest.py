"""What several folders of tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hosting.azurite import start_azurite


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    """The connection string of an Azurite of this run's own, in memory."""
    with start_azurite() as started:
        yield started.connection_string
