"""Presence: what each sink last said of itself. Written when it says something new, else at most every 30 s.

Also how a copy of a sink is noticed. Each start of an agent draws an instance id and names the one it replaces. One
that names another than the row holds, while that one is there, was not started in its place but beside it: the
credential is in use twice. In one process that is seen at once, across processes when the row is next written.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hub.clock import Clock
from hub.errors import Changed, Cloned, Exists, Missing
from hub.model.sink import Heard, Presence, Sink, SinkState
from hub.rules.presence import state_of
from hub.storage import codec
from hub.storage.keys import PRESENCE
from hub.storage.limits import MAX_PAGE_ROWS
from hub.storage.ports import ANY_ETAG, Row, Tables, Value, Values
from hub.wire import Poll

log = logging.getLogger(__name__)

WRITE_EVERY = timedelta(seconds=30)
LAST_POLLS = timedelta(minutes=2)
"""As long as a poll may be held, and stall on its way, and some more."""
_MOMENT = timedelta(seconds=1)
_PARTITION = "presence"
_COMMANDED = {"leaving", "heard", "commands"}
"""What a sink says of commands."""
_BEHIND = "!"
"""Less than every character of a name: a name and this come right behind the name."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What makes a presence worth writing before its time."""

    instance: str
    version: str
    draining: bool
    leaving: bool | None
    heard: Heard | None

    @classmethod
    def of(cls, told: Poll | Presence) -> _Said:
        heard = told.heard if isinstance(told, Presence) else _heard(told)
        return cls(told.instance, told.version, told.draining, told.leaving, heard)


@dataclass(frozen=True, slots=True)
class _Heartbeat:
    """When it came, from where, and how long nobody need wonder where it is."""

    at: datetime
    offline_after_seconds: float
    address: str | None


@dataclass(frozen=True, slots=True)
class _Written:
    """A row as this process wrote or read it."""

    presence: Presence
    address: str | None
    since: datetime
    """When its instance was first heard of."""
    replaces: str | None
    """The instance in whose place it was started."""
    etag: str


@dataclass(frozen=True, slots=True)
class _Heard:
    """What a sink said to this process when it last polled, and what it was given since: mostly not written."""

    at: datetime
    instance: str
    version: str
    slots: int
    running: int
    draining: bool
    leaving: bool | None
    command: Heard | None


class PresenceBook:
    """Notes polls, and tells who is there."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock
        self._written: dict[str, _Written] = {}
        self._clones: dict[str, tuple[str, str]] = {}
        """By sink, the two instances that were told of last."""
        self._heard: dict[str, _Heard] = {}

    async def note(self, sink: str, poll: Poll, offline_after_seconds: float, address: str | None = None) -> None:
        """The sink polled, from this address if it is known: its heartbeat. Raises `Cloned`, `Unavailable`."""
        now = self._clock.now()
        before = self._written.get(sink)
        if poll.capabilities is not None or before is None or _is_news(before.presence, poll, now):
            await self._write(sink, poll, _Heartbeat(now, offline_after_seconds, address))
        self._heard[sink] = _Heard(
            now, poll.instance, poll.version, poll.slots, len(poll.running), poll.draining, poll.leaving, _heard(poll)
        )

    def knows(self, sink: str, instance: str) -> bool:
        """Whether this process has seen it written that this instance is there."""
        written = self._written.get(sink)
        return written is not None and written.presence.instance == instance

    async def _write(self, sink: str, poll: Poll, beat: _Heartbeat) -> None:
        """Over the row that this process wrote, unread; if another has written it since, over what that one says."""
        before = self._written.get(sink)
        while True:
            # Whether it is alone only the row tells: another process may have heard of the starts between.
            if before is None or before.presence.instance not in (poll.instance, poll.replaces):
                before = await self._read(sink)
            if before is not None:
                self._check_alone(before, poll, beat)
            presence = _presence(sink, poll, beat, before.presence if before else None)
            since, replaces = beat.at, poll.replaces
            if before is not None and before.presence.instance == poll.instance:
                since, replaces = before.since, before.replaces
            values = _encode(presence, beat.address, since, replaces)
            try:
                etag = await self._store(sink, values, before.etag if before else None)
            except (Changed, Exists, Missing):
                before = None  # another process has heard of it, or it was removed: what the row says now counts
                continue
            self._written[sink] = _Written(presence, beat.address, since, replaces, etag)
            return

    def _check_alone(self, there: _Written, poll: Poll, beat: _Heartbeat) -> None:
        """Raises `Cloned` unless the instance is the one that is there, or was started in its place, or it has gone."""
        known = there.presence
        if known.instance in (poll.instance, poll.replaces) or state_of(known, beat.at) is SinkState.OFFLINE:
            return
        pair = (known.instance, poll.instance)
        who = None
        # The last polls of the process that ended may be under way still, with nobody to hear their answers.
        under_way = poll.instance == there.replaces and beat.at - there.since < LAST_POLLS
        if not under_way and self._clones.get(known.sink) != pair:  # said once: a copy asks again and again
            self._clones[known.sink] = pair
            who = (
                f"the credential of sink {known.sink} is in use by two processes: instance {known.instance} at "
                f"{there.address or 'an unknown address'}, and instance {poll.instance} at "
                f"{beat.address or 'an unknown address'}"
            )
            log.warning("%s", who)
        what = "enrol each agent by itself, and copy no agent's state folder"
        raise Cloned(f"this credential is in use by another process: {what}", who)

    async def _read(self, sink: str) -> _Written | None:
        try:
            row = await self._tables.get(PRESENCE, _PARTITION, sink.casefold())
        except Missing:
            return None
        there = _decode(row)
        texts = {name: str(row.values.get(name, "")) for name in ("address", "since", "replaces")}
        since = codec.time_of_text(texts["since"]) if texts["since"] else there.seen_at
        address, replaces = texts["address"] or None, texts["replaces"] or None
        return _Written(there, address, since, replaces, row.etag)

    async def _store(self, sink: str, values: Values, etag: str | None) -> str:
        if etag is None:
            return await self._tables.insert(PRESENCE, _PARTITION, sink.casefold(), values)
        return await self._tables.replace(PRESENCE, _PARTITION, sink.casefold(), values, etag)

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
                "leaving": heard.leaving,
                "heard": heard.command,
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

    async def none_is_here(self) -> None:
        """Storage was put back: which instance is the current one, nobody knows any more, so none is.

        A sink that was started since would else name another than the row holds, and be taken for a copy.
        """
        for presence in (await self.all()).values():
            written = await self._read(presence.sink)
            assert written is not None
            long_ago = self._clock.now() - timedelta(seconds=presence.offline_after_seconds) - _MOMENT
            gone = presence.model_copy(update={"seen_at": min(presence.seen_at, long_ago)})
            await self._store(
                presence.sink, _encode(gone, written.address, written.since, written.replaces), written.etag
            )

    async def forget(self, sink: str) -> None:
        """The sink was removed."""
        self._written.pop(sink, None)
        self._heard.pop(sink, None)
        self._clones.pop(sink, None)
        with suppress(Missing):
            await self._tables.delete(PRESENCE, _PARTITION, sink.casefold(), ANY_ETAG)


def _heard(poll: Poll) -> Heard | None:
    said = poll.command
    return None if said is None else Heard(id=said.id, command=said.command, state=said.state)


def _is_news(written: Presence, poll: Poll, now: datetime) -> bool:
    return _Said.of(written) != _Said.of(poll) or abs(now - written.seen_at) >= WRITE_EVERY


def _presence(sink: str, poll: Poll, beat: _Heartbeat, known: Presence | None) -> Presence:
    said = poll.capabilities
    return Presence(
        sink=sink,
        instance=poll.instance,
        version=poll.version,
        slots=poll.slots,
        running=len(poll.running),
        seen_at=beat.at,
        offline_after_seconds=beat.offline_after_seconds,
        draining=poll.draining,
        leaving=poll.leaving,
        heard=_heard(poll),
        commands=said.commands if said else known.commands if known else (),
        platform=said.platform if said else known.platform if known else None,
        runtimes=tuple(said.runtimes) if said else known.runtimes if known else (),
        modules=said.modules if said else known.modules if known else (),
        bundles=said.bundles if said else known.bundles if known else (),
    )


def _encode(presence: Presence, address: str | None, since: datetime, replaces: str | None) -> Values:
    # In a column of its own: while an update rolls out, the release before reads the other one, and knows no commands.
    commanded = presence.model_dump_json(include=_COMMANDED, exclude_defaults=True)
    values: dict[str, Value] = {
        "format": codec.written(),
        "sink": presence.sink,
        "presence": presence.model_dump_json(exclude=_COMMANDED),
        "address": address or "",
        "since": codec.text_of_time(since),
        "replaces": replaces or "",
    }
    return values if commanded == "{}" else {**values, "commanded": commanded}


def _decode(row: Row) -> Presence:
    codec.check_format(PRESENCE, row.values["format"])
    presence, commanded = str(row.values["presence"]), row.values.get("commanded")
    if commanded is not None:
        presence = json.dumps({**json.loads(presence), **json.loads(str(commanded))})
    return Presence.model_validate_json(presence)
