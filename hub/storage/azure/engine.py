"""The Azure storage engine: Table, Queue and Blob Storage of one account, through the async SDKs.

Make one engine for each process and event loop, and close it: it owns the connections.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random, SystemRandom

from hub.clock import Clock, SystemClock
from hub.storage.azure.account import Account, Endpoints
from hub.storage.azure.blobs import AzureAnchors, AzureBlobs
from hub.storage.azure.calls import Caller
from hub.storage.azure.patience import Patience
from hub.storage.azure.pipeline import Plumbing
from hub.storage.azure.queues import AzureQueues
from hub.storage.azure.tables import AzureTables
from hub.storage.keys import CONTAINERS, TABLES
from hub.storage.ports import Room


class AzureStorage:
    """The `Storage` port on one storage account."""

    def __init__(self, account: Account, plumbing: Plumbing, call: Caller) -> None:
        self._account = account
        self._plumbing = plumbing
        self.operations = plumbing.operations
        self.tables = AzureTables(account, plumbing, call)
        self.queues = AzureQueues(account, plumbing, call)
        self.blobs = AzureBlobs(account, plumbing, call)
        self.anchors = AzureAnchors(self.blobs)

    def clock_offset(self) -> timedelta:
        """Storage's clock minus ours, off by 0.5 s plus half a round trip after one answer, less after more."""
        return self._plumbing.service_clock.offset()

    def room(self) -> Room:
        """Always: an account ends at petabytes."""
        return Room()

    async def prepare(self) -> None:
        """Make the tables and containers of `keys.py` that are not there; any number of processes may do so at once."""
        making = [*map(self.tables.create, TABLES), *map(self.blobs.create, CONTAINERS)]
        for outcome in await asyncio.gather(*making, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def close(self) -> None:
        """Close the connections."""
        await self._plumbing.close()
        await self._account.close()


async def open_azure(
    address: str | Endpoints, *, patience: Patience | None = None, clock: Clock | None = None, rng: Random | None = None
) -> AzureStorage:
    """Open an account by its connection string, or by its endpoints as the managed identity we run as.

    Asks nothing of the service yet. Raises `Invalid` for an address that cannot be used.
    """
    account = Account(address)
    patience = patience or Patience()
    plumbing = Plumbing(patience, rng or SystemRandom(), clock or SystemClock())
    try:
        return AzureStorage(account, plumbing, Caller(patience))
    except BaseException:
        await plumbing.close()
        await account.close()
        raise
