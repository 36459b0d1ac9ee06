"""The engines that the contract is tested on, and addresses in them that belong to one test alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeAlias, cast

import pytest

from hub.storage.keys import EVENTS
from hub.storage.ports import Storage
from tests.contract.rig import Partition, Queue, Rig, azure_rig, embedded_rig, unique

OpenRig: TypeAlias = Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Rig]]


def _folder(request: pytest.FixtureRequest) -> Path:
    return cast(Path, request.getfixturevalue("tmp_path"))


ENGINES: dict[str, OpenRig] = {
    "embedded-file": lambda request: embedded_rig(_folder(request) / "nexomatic.db"),
    "embedded-memory": lambda _: embedded_rig(None),
    "azure": lambda request: azure_rig(request.getfixturevalue("azurite")),
}
"""Every engine there is: each must pass every test of this folder that asks for `storage`."""

MARKS: dict[str, list[pytest.MarkDecorator]] = {"azure": [pytest.mark.azurite]}
"""What a test on this engine needs, for choosing tests by mark."""


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, [])) for name in ENGINES])
def engine(request: pytest.FixtureRequest) -> str:
    """The name of the engine the test runs on."""
    return cast(str, request.param)


@pytest.fixture
async def rig(request: pytest.FixtureRequest, engine: str) -> AsyncIterator[Rig]:
    async with ENGINES[engine](request) as opened:
        yield opened


@pytest.fixture
def storage(rig: Rig) -> Storage:
    return rig.storage


@pytest.fixture
def partition(storage: Storage) -> Partition:
    return Partition(storage.tables, EVENTS, unique("partition"))


@pytest.fixture
def queue(storage: Storage) -> Queue:
    return Queue(storage.queues, unique("queue"))
