"""What upkeep watches for: sinks that stay away, and events that nobody could run. Pure.

A hub that was away sees everybody's absence in its own. So each step notes until when all has been told, and since when
the hub has watched without a gap: after a gap everybody is given the time to come back first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from hub.model.configuration import EventType
from hub.model.event import State
from hub.model.sink import Presence, Sink
from hub.model.snapshot import Snapshot
from hub.rules.routing import Routing, needs_of, routing
from hub.rules.waiting import Waiting, paused

GAP: Final = timedelta(minutes=3)
"""Steps further apart than this: the hub was away, or its timer stood still."""
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Watch:
    """How far the hub has come with watching."""

    since: datetime
    """It has watched from then on without a gap."""
    before: datetime
    """Until when it had watched before that gap."""
    at: datetime
    """What happened until then has been told."""

    def told(self, now: datetime) -> Watch:
        """All has been told until now."""
        return Watch(self.since, self.before, now)


def resumed(last: Watch | None, now: datetime) -> Watch:
    """The watch that goes on now. What happened before the first is told to nobody."""
    if last is None:
        return Watch(since=now, before=now, at=now)
    if abs(now - last.at) > GAP:
        return Watch(since=now, before=min(last.at, now), at=now)
    return last


@dataclass(frozen=True, slots=True)
class LostSink:
    """A sink that stays away and had not said that it would."""

    sink: Sink
    presence: Presence
    lost_at: datetime


def lost_sinks(presences: Iterable[Presence], snapshot: Snapshot, watch: Watch, now: datetime) -> list[LostSink]:
    """Sinks that were lost since the last step, in the order in which they were."""
    found = []
    for presence in presences:
        sink = snapshot.sink(presence.sink)
        lost_at = _lost_at(presence, watch)
        # An ephemeral sink goes by itself: that is what it is for.
        if sink is not None and not sink.ephemeral and lost_at is not None and watch.at < lost_at <= now:
            found.append(LostSink(sink, presence, lost_at))
    return sorted(found, key=lambda each: (each.lost_at, each.sink.name.casefold()))


def _lost_at(presence: Presence, watch: Watch) -> datetime | None:
    """When it is to be called lost; None: it has said that it goes, or that was told (or not) before."""
    patience = timedelta(seconds=presence.offline_after_seconds)
    offline_at = presence.seen_at + patience
    if presence.goes or offline_at <= watch.before:
        return None
    return max(offline_at, watch.since + patience)


def is_lost(presence: Presence, watch: Watch, now: datetime) -> bool:
    """Whether a sink stays away now, without having said that it goes; the hub's own absence is nobody's fault."""
    patience = timedelta(seconds=presence.offline_after_seconds)
    return not presence.draining and now > max(presence.seen_at, watch.since) + patience


@dataclass(slots=True)
class Waited:
    """Events of one type that have waited for longer than they should."""

    event_type: EventType
    oldest_id: str
    since: datetime
    """Since when the oldest waits."""
    count: int = 0


@dataclass(slots=True)
class Waiters:
    """Collects events that may be unroutable, by type, while all open events are looked through."""

    snapshot: Snapshot
    now: datetime
    by_type: dict[str, Waited] = field(default_factory=dict)
    _waits: dict[str, tuple[EventType, datetime] | None] = field(default_factory=dict)
    """By the name of an event type: since when an event of it must have waited; None: it is not looked at."""

    def look_at(self, events: Iterable[Waiting]) -> None:
        """Look at some of the open events."""
        for event in events:
            self._look(event)

    def _look(self, event: Waiting) -> None:
        if event.event_type not in self._waits:
            self._waits[event.event_type] = self._latest(event)
        known = self._waits[event.event_type]
        since = waiting_since(event, self.now)
        if known is None or event.silent or since is None or since > known[1]:
            return
        waited = self.by_type.setdefault(known[0].name, Waited(known[0], event.id, since))
        waited.count += 1
        if since < waited.since:
            waited.oldest_id, waited.since = event.id, since

    def _latest(self, event: Waiting) -> tuple[EventType, datetime] | None:
        event_type = self.snapshot.event_type(event.event_type)
        if event_type is None or paused(event, self.snapshot, self.now):
            return None
        return event_type, self.now - timedelta(seconds=event_type.unroutable_after_seconds)


def waiting_since(event: Waiting, now: datetime) -> datetime | None:
    """Since when it could have been run. None: it is being run, or is over."""
    if event.state is State.QUEUED:
        return max(event.created_at, event.not_before or event.created_at)
    if event.state is State.RUNNING and event.lease_until is not None and event.lease_until <= now:
        return event.lease_until  # a sink that is gone had it: it is queued again, though nobody has written that
    return None


@dataclass(frozen=True, slots=True)
class Unroutable:
    """Events that nobody could have run for as long as their type allows."""

    waited: Waited
    routing: Routing
    seen_at: datetime | None
    """When the last of the sinks that could run them was seen."""


def unroutable(
    waited: Waited, snapshot: Snapshot, presences: Mapping[str, Presence], watch: Watch, now: datetime
) -> Unroutable | None:
    """Whether for all that time, and while the hub watched, no sink was there that could run them."""
    event_type = waited.event_type
    who = routing(event_type, needs_of(snapshot.action(event_type.action), snapshot), snapshot, presences, now)
    if who.online:
        return None
    seen_at = max((presences[each.name].seen_at for each in who.could if each.name in presences), default=None)
    alone_since = max(waited.since, seen_at or _LONG_AGO, watch.since)
    if now - alone_since < timedelta(seconds=event_type.unroutable_after_seconds):
        return None
    return Unroutable(waited, who, seen_at)
