from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import cast

import pytest
from azure.storage.queue import QueueServiceClient

from hub.clock import SystemClock
from hub.storage.azure import open_azure
from hub.storage.embedded import open_embedded
from tests.contract.rig import ManualClock
from tests.life.rig import LifeRig, open_rig


@pytest.fixture
def clock() -> ManualClock:
    """A clock that the test moves."""
    return ManualClock()


@pytest.fixture
async def rig(clock: ManualClock) -> AsyncIterator[LifeRig]:
    """A hub in memory, on the clock that the test moves."""
    async with open_rig(open_embedded(None, clock), clock) as opened:
        yield opened


@pytest.fixture(params=["embedded", pytest.param("azure", marks=pytest.mark.azurite)])
async def either(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LifeRig]:
    """A hub on each of the real engines, on the machine's clock."""
    clock = SystemClock()
    if request.param == "embedded":
        storage = open_embedded(tmp_path_factory.mktemp("hub") / f"{uuid.uuid4().hex}.db", clock)
        async with open_rig(storage, clock) as opened:
            yield opened
        return
    connection = cast(str, request.getfixturevalue("azurite"))
    _forget_hints(connection)
    async with open_rig(await open_azure(connection), clock) as opened:
        yield opened


def _forget_hints(connection: str) -> None:
    """All tests of a process share one Azurite: what an earlier one left in a queue is not this one's event."""
    with QueueServiceClient.from_connection_string(connection) as service:
        for queue in service.list_queues():
            service.get_queue_client(queue).clear_messages()
