"""The Blob SDK's clients, for `blobs.py` alone, which loads this when it is needed."""

from __future__ import annotations

from azure.storage.blob.aio import BlobClient, BlobServiceClient, ContainerClient

from hub.storage.azure.account import Account
from hub.storage.azure.pipeline import Plumbing


class BlobClients:
    """Makes clients that share one pipeline."""

    def __init__(self, account: Account, plumbing: Plumbing) -> None:
        self._service = account.blob_service(BlobServiceClient, **plumbing.options())
        self._pipeline = plumbing.pipeline(self._service._pipeline._impl_policies)

    def container(self, name: str) -> ContainerClient:
        return ContainerClient(self._service.url, name, credential=self._service.credential, _pipeline=self._pipeline)

    def blob(self, container: str, name: str) -> BlobClient:
        return BlobClient(
            self._service.url, container, name, credential=self._service.credential, _pipeline=self._pipeline
        )

    async def content(self, container: str, name: str, first: int | None = None, count: int | None = None) -> bytes:
        """Download a blob, or a part of it."""
        download = await self.blob(container, name).download_blob(first, count, max_concurrency=1)
        return await download.readall()

    async def names(self, container: str) -> list[str]:
        """The names of all blobs of a container, in their order."""
        return sorted([name async for name in self.container(container).list_blob_names()])
