"""Presence: what each sink last said of itself. Written when it says something new, else at most every 30 s."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hub.clock import Clock
from hub.errors import Missing
from hub.model.sink import Presence, Sink
from hub.storage import codec
from hub.storage.keys import PRESENCE
from hub.storage.limits import MAX_PAGE_ROWS
from hub.storage.ports import ANY_ETAG, Row, Tables, Values
from hub.wire import Poll

WRITE_EVERY = timedelta(seconds=30)
_PARTITION = "presence"
_BEHIND = "!"
"""Less than every character of a name: a name and this come right behind the name."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What makes a presence worth writing before its time."""

    instance: str
    version: str
    draining: bool


@dataclass(frozen=True, slots=True)
class _Heard:
    """What a sink said to this process when it last polled, and what it was given since: mostly not written."""

    at: datetime
    instance: str
    version: str
    slots: int
    running: int
    draining: bool


class PresenceBook:
    """Notes polls, and tells who is there."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock
        self._written: dict[str, tuple[_Said, datetime]] = {}
        self._last: dict[str, Presence] = {}
        self._heard: dict[str, _Heard] = {}

    async def note(self, sink: str, poll: Poll, offline_after_seconds: float) -> None:
        """The sink polled: its heartbeat."""
        now = self._clock.now()
        self._heard[sink] = _Heard(now, poll.instance, poll.version, poll.slots, len(poll.running), poll.draining)
        said = _Said(poll.instance, poll.version, poll.draining)
        before = self._written.get(sink)
        lately = before is not None and before[0] == said and abs(now - before[1]) < WRITE_EVERY
        if lately and poll.capabilities is None:
            return
        self._written[sink] = (said, now)
        presence = await self._presence(sink, poll, now, offline_after_seconds)
        self._last[sink] = presence
        await self._tables.put(PRESENCE, _PARTITION, sink.casefold(), _encode(presence))

    def given(self, sink: str, tasks: int) -> None:
        """Its poll was answered with so many tasks: it has fewer free slots than it said."""
        heard = self._heard.get(sink)
        if heard is not None and tasks:
            free = max(0, heard.slots - tasks)
            self._heard[sink] = replace(heard, slots=free, running=heard.running + tasks)

    async def newest(self, sinks: Sequence[Sink]) -> dict[str, Presence]:
        """What these said last, to this process or as it was written: what they said to others is 80 s old at most.

        By sink, those that ever polled. A read for one, else a query for each thousand between the first and the last.
        """
        names = sorted((each.name for each in sinks), key=str.casefold)
        if not names:
            return {}
        if len(names) == 1:
            one = await self.get(names[0])
            found = {} if one is None else {one.sink: one}
        else:
            # What a name begins with comes before it, and hardly any other name does.
            found = await self.between(names[0][:-1], names[-1])
        return {name: self._newest(found[name]) for name in names if name in found}

    def _newest(self, written: Presence) -> Presence:
        heard = self._heard.get(written.sink)
        if heard is None or heard.at < written.seen_at:
            return written
        return written.model_copy(
            update={
                "instance": heard.instance,
                "version": heard.version,
                "slots": heard.slots,
                "running": heard.running,
                "seen_at": heard.at,
                "draining": heard.draining,
            }
        )

    async def get(self, sink: str) -> Presence | None:
        """What it last said; None: it never polled."""
        try:
            return _decode(await self._tables.get(PRESENCE, _PARTITION, sink.casefold()))
        except Missing:
            return None

    async def between(self, after: str, last: str) -> dict[str, Presence]:
        """By sink: those that ever polled and whose names come behind `after`, up to `last`, whatever their case."""
        found: dict[str, Presence] = {}
        position, before = after.casefold(), last.casefold() + _BEHIND
        while True:
            rows = await self._tables.query(PRESENCE, _PARTITION, after=position, before=before)
            found |= {presence.sink: presence for presence in map(_decode, rows)}
            if len(rows) < MAX_PAGE_ROWS:
                return found
            position = rows[-1].key

    async def all(self) -> dict[str, Presence]:
        """Those of all sinks, as they were written: the same for every process that asks."""
        return await self.between("", "\x7f")

    async def forget(self, sink: str) -> None:
        """The sink was removed."""
        self._written.pop(sink, None)
        self._last.pop(sink, None)
        self._heard.pop(sink, None)
        with suppress(Missing):
            await self._tables.delete(PRESENCE, _PARTITION, sink.casefold(), ANY_ETAG)

    async def _presence(self, sink: str, poll: Poll, now: datetime, offline_after_seconds: float) -> Presence:
        said = poll.capabilities
        known = None if said is not None else self._last.get(sink) or await self.get(sink)
        return Presence(
            sink=sink,
            instance=poll.instance,
            version=poll.version,
            slots=poll.slots,
            running=len(poll.running),
            seen_at=now,
            offline_after_seconds=offline_after_seconds,
            draining=poll.draining,
            platform=said.platform if said else known.platform if known else None,
            runtimes=tuple(said.runtimes) if said else known.runtimes if known else (),
            modules=said.modules if said else known.modules if known else (),
            bundles=said.bundles if said else known.bundles if known else (),
        )


def _encode(presence: Presence) -> Values:
    return {"format": codec.FORMAT, "sink": presence.sink, "presence": presence.model_dump_json()}


def _decode(row: Row) -> Presence:
    codec.check_format(row.values["format"])
    return Presence.model_validate_json(str(row.values["presence"]))
