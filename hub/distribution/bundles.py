"""Bundles: pushed, listed, read and deleted. What a name stands for never changes; who holds a task fetches it."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from hub.clock import Clock
from hub.configure.deciding import removal
from hub.errors import FieldError, Invalid, NexomaticError, NotFound, Rejected, Unavailable
from hub.model.bundle import BUNDLE_PATTERN, SIGNATURE_PATTERN, Bundle
from hub.rules import bundle_zip
from hub.storage.configuration import Configuration, Edit, Entry, RowKind, Write
from hub.storage.keys import BUNDLES
from hub.storage.ports import Blobs

AT_A_TIME: Final = 2
"""Bundles that are checked and stored at once by a process: each is a thread at work, and megabytes."""
Newest: TypeAlias = Callable[[], Awaitable[Configuration]]


@dataclass(frozen=True, slots=True)
class Pushed:
    """A bundle as it now stands, and whether it is new."""

    bundle: Bundle
    created: bool


class Bundles:
    """Keeps bundles: a row of the configuration each, which is read with it, and a blob."""

    def __init__(
        self,
        newest: Newest,
        write: Write,
        blobs: Blobs,
        clock: Clock,
        randomness: Callable[[], int],
        most_bytes: int,
    ) -> None:
        self._newest = newest
        self._write = write
        self._blobs = blobs
        self._clock = clock
        self._randomness = randomness
        self.most_bytes = most_bytes
        self._few = asyncio.Semaphore(AT_A_TIME)

    async def push(self, name: str, data: bytes, signature: str | None, by: str) -> Pushed:
        """Keep a bundle under a name that is free, or has the same bytes: then its signature may change.

        Raises `Invalid` with words, `TooLarge`, `Rejected` for other bytes, `Unavailable`.
        """
        _check_names(name, signature)
        async with self._few:
            contents = await asyncio.to_thread(bundle_zip.check, data, self.most_bytes)
            digest = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
            bundle = Bundle(
                name=name,
                digest=digest,
                size=len(data),
                files=contents.files,
                unpacked=contents.unpacked,
                signature=signature,
                uploaded_at=self._clock.now(),
                uploaded_by=by,
                blob=f"{digest}-{self._randomness() & (1 << 64) - 1:016x}",
            )
            return await self._keep(bundle, data)

    async def get(self, name: str) -> Bundle:
        """One of them. Raises `NotFound`."""
        return _bundle(_existing(await self._newest(), name))

    async def list(self) -> Sequence[Bundle]:
        """All of them, by name."""
        return [_bundle(each) for each in (await self._newest()).of(RowKind.MODULE)]

    async def delete(self, name: str) -> None:
        """Remove it. Raises `NotFound`, `InUse` with the actions that name it."""
        removed: list[Bundle] = []

        def decide(seen: Configuration) -> Edit:
            entry = _existing(seen, name)
            removed[:] = [_bundle(entry)]
            return removal(seen, entry)

        await self._write(decide)
        await self._blobs.delete(BUNDLES, removed[0].blob)

    async def _keep(self, bundle: Bundle, data: bytes) -> Pushed:
        known = _same(await self._newest(), bundle)
        if known is None:
            await self._blobs.put(BUNDLES, bundle.blob, data)
        kept: list[Pushed] = []

        def decide(seen: Configuration) -> Edit:
            before = _same(seen, bundle)
            if before is None:
                if known is not None:
                    raise Rejected(f"the bundle {bundle.name} was deleted this moment: push it again")
                kept[:] = [Pushed(bundle, created=True)]
                return Edit(put=[Entry(RowKind.MODULE, bundle.name, bundle)])
            after = before.model_copy(update={"signature": bundle.signature or before.signature})
            kept[:] = [Pushed(after, created=False)]
            return Edit(put=[Entry(RowKind.MODULE, before.name, after)]) if after != before else Edit()

        try:
            await self._write(decide)
        except Unavailable:
            raise  # it may have taken effect: the blob stays
        except NexomaticError:
            await self._blobs.delete(BUNDLES, bundle.blob)
            raise
        if not kept[0].created and known is None:
            await self._blobs.delete(BUNDLES, bundle.blob)  # somebody else has pushed the same meanwhile
        return kept[0]


def _same(seen: Configuration, bundle: Bundle) -> Bundle | None:
    """The bundle of this name, if there is one. Raises `Rejected` when it is another."""
    entry = seen.get(RowKind.MODULE, bundle.name)
    before = None if entry is None else _bundle(entry)
    if before is not None and before.digest != bundle.digest:
        raise Rejected(
            f"the bundle {before.name} is there with other bytes (sha256 {before.digest}), and what a version stands "
            "for never changes: push these as another version"
        )
    return before


def _check_names(name: str, signature: str | None) -> None:
    if not re.fullmatch(BUNDLE_PATTERN, name):
        what = (
            "is name@version: a name of 1 to 63 letters, digits and . _ -, and a version of 1 to 32 of them; each "
            "begins with a letter or digit"
        )
        raise Invalid(f"the request was refused: name {what}", [FieldError("name", what)])
    if signature is not None and not re.fullmatch(SIGNATURE_PATTERN, signature):
        what = "is the id of a key (16 hexadecimal digits), a colon, and an Ed25519 signature in base64"
        raise Invalid(f"the request was refused: Nexomatic-Signature {what}", [FieldError("Nexomatic-Signature", what)])


def _existing(seen: Configuration, name: str) -> Entry:
    entry = seen.get(RowKind.MODULE, name)
    if entry is None:
        raise NotFound(f"there is no bundle {name}")
    return entry


def _bundle(entry: Entry) -> Bundle:
    assert isinstance(entry.model, Bundle)
    return entry.model
