"""Whether a sink is there, by what it said of itself when it last polled, and by what it was told. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from hub.model.sink import Command, CommandState, Presence, Sink, SinkState


def state_of(presence: Presence | None, now: datetime, sink: Sink | None = None) -> SinkState:
    """ONLINE while it comes as often as it was told to. Seen in the future, by a clock set back since, is nothing.

    `sink`: one that is to drain is given nothing, whether it has heard of it yet or not.
    """
    if presence is None or abs(now - presence.seen_at) > timedelta(seconds=presence.offline_after_seconds):
        return SinkState.OFFLINE
    if presence.leaving and not presence.running and presence.is_at(Command.STOP, CommandState.DONE):
        return SinkState.OFFLINE  # its last words: it will not come again by itself
    if presence.draining and presence.is_at(Command.RESTART, CommandState.TAKEN):
        return SinkState.RESTARTING
    if presence.draining or (sink is not None and sink.drained):
        return SinkState.DRAINING
    return SinkState.ONLINE
