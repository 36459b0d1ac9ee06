"""Presence: what each sink last said of itself. Written when it says something new, else at most every 30 s."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.clock import Clock
from hub.model.sink import Presence, SinkState
from hub.storage import codec
from hub.storage.keys import PRESENCE
from hub.storage.ports import Row, Tables, Values
from hub.wire import Poll

WRITE_EVERY = timedelta(seconds=30)
_PARTITION = "presence"


@dataclass(frozen=True, slots=True)
class _Said:
    """What makes a presence worth writing before its time."""

    instance: str
    version: str
    draining: bool


class PresenceBook:
    """Notes polls, and tells who is there."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock
        self._written: dict[str, tuple[_Said, datetime]] = {}
        self._last: dict[str, Presence] = {}

    async def note(self, sink: str, poll: Poll, offline_after_seconds: float) -> None:
        """The sink polled: its heartbeat."""
        now = self._clock.now()
        said = _Said(poll.instance, poll.version, poll.draining)
        before = self._written.get(sink)
        if poll.capabilities is None and before is not None and before[0] == said and now - before[1] < WRITE_EVERY:
            return
        self._written[sink] = (said, now)
        presence = await self._presence(sink, poll, now, offline_after_seconds)
        self._last[sink] = presence
        await self._tables.put(PRESENCE, _PARTITION, sink.casefold(), _encode(presence))

    async def all(self) -> list[Presence]:
        """Every sink that ever polled, by name."""
        found: list[Presence] = []
        after = ""
        while rows := await self._tables.query(PRESENCE, _PARTITION, after=after):
            found += [_decode(row) for row in rows]
            after = rows[-1].key
        return found

    async def forget(self, sink: str) -> None:
        """The sink was removed."""
        self._written.pop(sink, None)
        self._last.pop(sink, None)
        rows = await self._tables.query(PRESENCE, _PARTITION, where={"sink": sink}, limit=1)
        for row in rows:
            await self._tables.delete(PRESENCE, _PARTITION, row.key, row.etag)

    async def _presence(self, sink: str, poll: Poll, now: datetime, offline_after_seconds: float) -> Presence:
        said = poll.capabilities
        known = None if said is not None else self._last.get(sink) or await self._stored(sink)
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

    async def _stored(self, sink: str) -> Presence | None:
        rows = await self._tables.query(PRESENCE, _PARTITION, where={"sink": sink}, limit=1)
        return _decode(rows[0]) if rows else None


def state_of(presence: Presence | None, now: datetime) -> SinkState:
    """ONLINE while it comes as often as it was told to."""
    if presence is None or now - presence.seen_at > timedelta(seconds=presence.offline_after_seconds):
        return SinkState.OFFLINE
    return SinkState.DRAINING if presence.draining else SinkState.ONLINE


def _encode(presence: Presence) -> Values:
    return {"format": codec.FORMAT, "sink": presence.sink, "presence": presence.model_dump_json()}


def _decode(row: Row) -> Presence:
    codec.check_format(row.values["format"])
    return Presence.model_validate_json(str(row.values["presence"]))
