"""Sinks as an admin sees them: listed, read, removed. They come to be by enrolment."""

from __future__ import annotations

from hub.configure.deciding import removal
from hub.configure.resources import Newest
from hub.errors import NotFound
from hub.model.sink import Sink
from hub.storage.configuration import Configuration, Edit, Entry, RowKind, Write


class Sinks:
    """The enrolled sinks."""

    def __init__(self, newest: Newest, write: Write) -> None:
        self._newest = newest
        self._write = write

    async def list(self) -> list[Sink]:
        """All of them, by name."""
        return [each.model for each in (await self._newest()).of(RowKind.SINK) if isinstance(each.model, Sink)]

    async def get(self, name: str) -> Sink:
        """One sink. Raises `NotFound`."""
        model = _existing(await self._newest(), name).model
        assert isinstance(model, Sink)
        return model

    async def delete(self, name: str) -> None:
        """Remove it and end its credential; what it runs goes to others once its leases are over.

        Raises `NotFound`, `InUse` with the event types that are pinned to it.
        """
        await self._write(lambda seen: _removed(seen, name))


def _removed(seen: Configuration, name: str) -> Edit:
    return removal(seen, _existing(seen, name))


def _existing(seen: Configuration, name: str) -> Entry:
    entry = seen.get(RowKind.SINK, name)
    if entry is None:
        raise NotFound(f"there is no sink {name}")
    return entry
