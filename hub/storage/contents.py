"""JSON text of any size: in the row when it is small, in a blob when it is not."""

from __future__ import annotations

from hub.model.event import Content
from hub.storage.ports import Blobs


class Contents:
    """Payloads and results. A blob is written before the row that names it, so a row never names nothing."""

    def __init__(self, blobs: Blobs, inline_bytes: int) -> None:
        self._blobs = blobs
        self._inline_bytes = inline_bytes

    async def store(self, container: str, name: str, data: bytes) -> Content:
        """What to write into the row. The blob's name must be the same for the same data, so that a retry fits."""
        if len(data) <= self._inline_bytes:
            return Content.model_construct(size=len(data), inline=data, blob=None)
        await self._blobs.put(container, name, data)
        return Content.model_construct(size=len(data), inline=None, blob=name)

    async def load(self, container: str, content: Content) -> bytes:
        """The text. Raises `Missing` when its blob is gone."""
        if content.blob is not None:
            return await self._blobs.get(container, content.blob)
        return content.inline or b""

    async def remove(self, container: str, blob: str) -> None:
        """Remove a blob that a row has named."""
        await self._blobs.delete(container, blob)
