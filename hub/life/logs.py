"""Logs: chunks as they come, the last one on the completion, read back in order."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from hub.errors import Changed, Missing, NotFound
from hub.life.context import LifeContext
from hub.life.lease import Lease
from hub.model.event import LogLine, State
from hub.rules.lifecycle import Changes
from hub.storage.events import Stored
from hub.storage.log_rows import decode_chunk, encode_chunk, sequence
from hub.wire import Chunk

RIDE_BYTES = 48 * 1024
"""A compressed chunk up to this size rides on the completion and costs no write of its own."""
WATCHED = timedelta(seconds=30)
"""How long one reading of the log keeps it streaming."""
CHUNKS_A_READ = 16
LINES_A_READ = 5_000
"""A page ends with the chunk that fills it: a task that printed a million lines must not hold up all others' calls
while its log is read."""


@dataclass(frozen=True, slots=True)
class LogPage:
    """Lines after a number; `complete` when the event is final and none are left."""

    lines: list[LogLine]
    complete: bool


class Logs:
    """Stores and reads what tasks wrote."""

    def __init__(self, context: LifeContext) -> None:
        self._life = context

    async def add(self, lease: Lease, chunk: Chunk) -> None:
        """Store a chunk of this attempt. Repeating it changes nothing."""
        await self._life.logs.add(lease.event_id, lines_of(lease.holding.attempt, chunk))
        self._life.news.logged(lease.event_id)

    async def tail(self, lease: Lease, chunks: Sequence[Chunk], *, final: bool) -> bytes:
        """What of the last chunks may ride on the completion; the others are stored now.

        An attempt that is to be retried keeps no tail in the row: the next attempt's would take its place.
        """
        kept = list(chunks)
        ride = b""
        if final and kept:
            ride = encode_chunk(lines_of(lease.holding.attempt, kept[-1]))
            if len(ride) <= RIDE_BYTES:
                kept.pop()
            else:
                ride = b""
        for chunk in kept:
            await self.add(lease, chunk)
        return ride

    async def read(self, event_id: str, *, after: int) -> LogPage:
        """Lines with a number above `after`; also marks the event as watched while it runs. Raises `NotFound`."""
        try:
            stored = await self._life.events.get(event_id)
        except Missing:
            raise NotFound(f"there is no event {event_id}") from None
        await self._watch(stored)
        lines, more = await self._life.logs.read(event_id, after=after, chunks=CHUNKS_A_READ, enough=LINES_A_READ)
        if stored.log_tail and not more:
            last = lines[-1].seq if lines else after
            lines += [line for line in decode_chunk(stored.log_tail) if line.seq > last]
        return LogPage(lines, complete=stored.event.state.final and not more)

    async def _watch(self, stored: Stored) -> None:
        event, now = stored.event, self._life.now()
        if event.state is not State.RUNNING or (event.watched_until and event.watched_until > now + WATCHED / 3):
            return
        # The mark changes the ETag: the sink's next write reads the row because of it, and learns that it is watched.
        changes: Changes = {"watched_until": now + WATCHED}
        with suppress(Changed, Missing):
            await self._life.events.merge(event.id, changes, stored.etag)


def lines_of(attempt: int, chunk: Chunk) -> list[LogLine]:
    """The chunk's lines with their numbers along the event's whole life."""
    return [
        LogLine.model_construct(
            seq=sequence(attempt, chunk.first + offset),
            time=line.time,
            stream=line.stream,
            level=line.level,
            text=line.text,
        )
        for offset, line in enumerate(chunk.lines)
    ]
