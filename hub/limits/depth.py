"""How many messages a queue may hold before sources are told to come later.

The depth is what the queue service says it is: about right, hidden messages included, and so those of running events
too. It is read at most once a second for each queue and process, and what the process has let pass since is added, so
that one process does not overshoot by what comes in within that second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from hub.clock import Clock
from hub.errors import TooMany
from hub.limits.overflow import queue_of
from hub.model.configuration import EventType
from hub.model.snapshot import Snapshot
from hub.storage import keys
from hub.storage.ports import Queues

FRESH_SECONDS: Final = 1.0
RETRY_AFTER_SECONDS: Final = 5.0


@dataclass(eq=False, slots=True)
class _Depth:
    """What this process knows of a queue and the overflow beside it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    messages: int = 0
    read_at: float = float("-inf")
    let_pass: int = 0
    """Since it was read."""


class QueueDepths:
    """The depths of the queues that have a limit."""

    def __init__(self, queues: Queues, clock: Clock) -> None:
        self._queues = queues
        self._clock = clock
        self._depths: dict[str, _Depth] = {}

    async def check(self, event_types: Sequence[EventType], snapshot: Snapshot) -> None:
        """See that an event of each of these may be put on its queue, all or none. Raises `TooMany`, `Unavailable`.

        Costs nothing where no SinkType has a limit, else two operations a second for each queue.
        """
        passed: list[_Depth] = []
        try:
            for each in event_types:
                sink_type = snapshot.sink_type(each.sink_type)
                if sink_type is not None and sink_type.max_queue_depth is not None:
                    passed.append(await self._pass(queue_of(each), sink_type.name, sink_type.max_queue_depth))
        except TooMany:
            for depth in passed:
                depth.let_pass = max(0, depth.let_pass - 1)
            raise

    async def _pass(self, queue: str, sink_type: str, most: int) -> _Depth:
        depth = await self._of(queue)
        found = depth.messages + depth.let_pass
        if found >= most:
            raise TooMany(
                f"about {found} of {most} events are waiting for or running on sinks of the type {sink_type}: no more"
                " are taken at the moment",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        depth.let_pass += 1
        return depth

    async def _of(self, queue: str) -> _Depth:
        depth = self._depths.setdefault(queue, _Depth())
        async with depth.lock:  # one reads, the others wait for what it finds
            now = self._clock.monotonic()
            if now - depth.read_at >= FRESH_SECONDS:
                let_pass = depth.let_pass
                both = (queue, keys.overflow_of(queue))
                depth.messages = sum([await self._queues.depth(each) for each in both])
                # What was let pass while it was read may be counted or not: it is counted, to be on the safe side.
                depth.let_pass, depth.read_at = depth.let_pass - let_pass, now
        return depth
