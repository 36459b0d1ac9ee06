"""Which queue an event's message goes to: its pool's, or the overflow beside it when its EventType floods the pool.

An EventType that has sent 64 messages to a pool in the last 10 s sends the next ones to the overflow. Sinks take from
both in turn, so what others send is not behind all of the flood. Counted in each process by itself, without storage.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from hub.clock import Clock
from hub.model.configuration import EventType
from hub.storage import keys

FLOOD_MESSAGES: Final = 64
FLOOD_SECONDS: Final = 10.0


def queue_of(event_type: EventType) -> str:
    """The queue on which an EventType's events wait, or beside which, in the overflow."""
    if event_type.sink is not None:
        return keys.queue_of_sink(event_type.sink)
    return keys.queue_of_sink_type(event_type.sink_type)


class Overflow:
    """What this process has sent of late."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sent: dict[tuple[str, str], deque[float]] = {}
        """When the last 64 messages of an EventType were sent to a pool, in either of its queues."""

    def route(self, event_type: EventType) -> str:
        """The queue for one more message of this EventType, which is counted."""
        queue = queue_of(event_type)
        sent = self._sent.setdefault((event_type.name.casefold(), queue), deque(maxlen=FLOOD_MESSAGES))
        now = self._clock.monotonic()
        flood = len(sent) == FLOOD_MESSAGES and now - sent[0] < FLOOD_SECONDS
        sent.append(now)
        return keys.overflow_of(queue) if flood else queue
