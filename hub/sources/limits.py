"""What holds a source back: its pause, its rate, the depth of the queues that it fires into."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from hub.errors import Paused
from hub.limits.depth import QueueDepths
from hub.limits.source_rate import SourceRates
from hub.model.configuration import EventType, Source, WebhookSource
from hub.model.snapshot import Snapshot
from hub.rules.token_bucket import Rate
from hub.rules.waiting import in_force

PAUSED_SECONDS: Final = 60.0
"""When a caller is asked to come again during a pause without an end."""
LONGEST_PAUSED_SECONDS: Final = 3600.0
"""A pause may be lifted before its end."""


class SourceLimits:
    """The limits of all sources, as one process keeps them."""

    def __init__(self, rates: SourceRates, depths: QueueDepths) -> None:
        self._rates = rates
        self._depths = depths

    async def rate(self, source: WebhookSource) -> None:
        """Take one token of the source's rate, if it has one. Raises `TooMany`, `Unavailable`."""
        rate = source.rate
        if rate is not None:
            await self._rates.take(source.name, Rate(rate.limit, rate.per_seconds, rate.burst or rate.limit))

    async def depth(self, event_types: Sequence[EventType], snapshot: Snapshot) -> None:
        """See that there is room for an event of each. Raises `TooMany` if there is not for all, `Unavailable`."""
        await self._depths.check(event_types, snapshot)


def check_not_paused(source: Source, now: datetime) -> None:
    """Raises `Paused`, which says when to come again."""
    pause = source.pause
    if pause is None or not in_force(pause, now):
        return
    if pause.until is None:
        raise Paused("this source is paused; try again later", retry_after_seconds=PAUSED_SECONDS)
    seconds = min(LONGEST_PAUSED_SECONDS, (pause.until - now).total_seconds())
    raise Paused("this source is paused; try again later", retry_after_seconds=seconds)
