"""What waits and who is there, pool by pool, as the timer's step counted it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class Pool(BaseModel):
    """One sink type's events and sinks."""

    model_config = ConfigDict(extra="forbid")

    waiting: int = 0
    """Events that could run, and wait for a sink."""
    since: datetime | None = None
    """Since when the oldest of them waits."""
    running: int = 0
    unroutable: int = 0
    """Of those that wait, how many nobody could have run for as long as their type allows."""
    online: int = 0
    draining: int = 0
    offline: int = 0
    lost: int = 0
    """Of those that are offline, how many were there, and have neither said that they go nor are ephemeral."""


class Survey(BaseModel):
    """One count of everything."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    whole: bool
    """False: there were more open events than one step looks at, and events are at least so many."""
    pools: dict[str, Pool]
