"""Blobs in Azure Blob Storage.

Its SDK takes a third of a second to import and few requests need it: it is loaded with the first one, beside the loop.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hub.errors import Exists, Missing
from hub.storage import limits
from hub.storage.azure.account import Account
from hub.storage.azure.calls import Caller
from hub.storage.azure.operations import Operation
from hub.storage.azure.pipeline import Plumbing
from hub.storage.keys import ANCHORS

if TYPE_CHECKING:
    from hub.storage.azure.blob_clients import BlobClients


class AzureBlobs:
    """The `Blobs` port."""

    def __init__(self, account: Account, plumbing: Plumbing, call: Caller) -> None:
        self._account = account
        self._plumbing = plumbing
        self._call = call
        self._clients: BlobClients | None = None

    async def create(self, container: str) -> None:
        """Make the container if it is not there."""
        limits.check_container(container)
        client = (await self._opened()).container(container)
        try:
            await self._call(Operation.BLOB_CREATE, client.create_container())
        except Exists:
            return

    async def put(self, container: str, name: str, data: bytes) -> None:
        limits.check_blob(container, name)
        client = (await self._opened()).blob(container, name)
        await self._call(Operation.BLOB_PUT, client.upload_blob(data, overwrite=True))

    async def get(self, container: str, name: str) -> bytes:
        limits.check_blob(container, name)
        clients = await self._opened()
        return await self._call(Operation.BLOB_GET, clients.content(container, name))

    async def get_part(self, container: str, name: str, first: int, count: int) -> bytes:
        limits.check_blob(container, name)
        clients = await self._opened()
        return await self._call(Operation.BLOB_GET, clients.content(container, name, first, count))

    async def delete(self, container: str, name: str) -> None:
        limits.check_blob(container, name)
        client = (await self._opened()).blob(container, name)
        try:
            await self._call(Operation.BLOB_DELETE, client.delete_blob())
        except Missing:
            return

    async def add(self, container: str, name: str, data: bytes) -> None:
        """Write a blob that is not there yet. Raises `Exists`."""
        limits.check_blob(container, name)
        client = (await self._opened()).blob(container, name)
        await self._call(Operation.BLOB_ADD, client.upload_blob(data, overwrite=False))

    async def names(self, container: str) -> list[str]:
        """The names of all its blobs, in their order. One operation for each five thousand."""
        clients = await self._opened()
        return await self._call(Operation.BLOB_LIST, clients.names(container))

    async def _opened(self) -> BlobClients:
        if self._clients is None:
            module = await asyncio.to_thread(_load)
            self._clients = self._clients or module(self._account, self._plumbing)
        return self._clients


class AzureAnchors:
    """The `Anchors` port: a container of its own, on which the infrastructure sets a write-once policy."""

    def __init__(self, blobs: AzureBlobs) -> None:
        self._blobs = blobs

    async def add(self, name: str, data: bytes) -> None:
        await self._blobs.add(ANCHORS, name, data)

    async def get(self, name: str) -> bytes:
        return await self._blobs.get(ANCHORS, name)

    async def names(self) -> list[str]:
        return await self._blobs.names(ANCHORS)


def _load() -> type[BlobClients]:
    from hub.storage.azure.blob_clients import BlobClients

    return BlobClients
