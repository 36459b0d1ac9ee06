"""Whether a sink is there, by what it said of itself when it last polled. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from hub.model.sink import Presence, SinkState


def state_of(presence: Presence | None, now: datetime) -> SinkState:
    """ONLINE while it comes as often as it was told to. Seen in the future, by a clock set back since, is nothing."""
    if presence is None or abs(now - presence.seen_at) > timedelta(seconds=presence.offline_after_seconds):
        return SinkState.OFFLINE
    return SinkState.DRAINING if presence.draining else SinkState.ONLINE
