"""Fetch: a piece of a bundle, to the sink that holds an attempt which runs it, while it holds it.

A signed token alone is not enough: the row must be RUNNING under this very claim, and its lease alive. What may be
fetched is what the row says the attempt runs, as resolved at its claim. One read of the row and one of the blob for
each piece, so that neither side ever has more than a piece in memory, and a download goes on where it was cut off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hub.errors import Missing, NotAllowed, NotFound
from hub.life import fence
from hub.life.context import LifeContext
from hub.life.lease import Lease
from hub.storage import keys
from hub.storage.ports import Blobs

PIECE_BYTES: Final = 1024 * 1024
"""The most that one answer holds."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of a bundle's bytes, from `first` on."""

    data: bytes
    first: int
    size: int
    """Of the whole."""


class Fetch:
    """Gives bundles out."""

    def __init__(self, context: LifeContext, blobs: Blobs) -> None:
        self._life = context
        self._blobs = blobs

    async def piece(self, lease: Lease, digest: str, first: int) -> Piece:
        """The bytes from `first` on, at most `PIECE_BYTES`.

        Raises `Superseded` and its kind, `LeaseRunOut`, `NotAllowed` for another bundle than the attempt runs,
        `NotFound` for one that was deleted.
        """
        event = (await fence.read(self._life.events, lease.event_id)).event
        run = fence.held(event, lease.claim_id, self._life.now(), self._life.margin()).run
        if run.bundle_digest is None or run.bundle_digest != digest:
            raise NotAllowed("the attempt that this lease is for does not run that bundle")
        bundle = (await self._life.configuration()).bundle_of(digest)
        if bundle is None:
            raise NotFound(f"the bundle {run.bundle} was deleted")
        if first >= bundle.size:
            raise NotFound(f"the bundle {run.bundle} has {bundle.size} bytes")
        try:
            count = min(PIECE_BYTES, bundle.size - first)
            data = await self._blobs.get_part(keys.BUNDLES, bundle.blob, first, count)
        except Missing:
            raise NotFound(f"the bundle {run.bundle} was deleted") from None
        return Piece(data, first, bundle.size)
