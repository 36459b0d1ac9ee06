"""Since when a schedule stands as it does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """Written beside the document of a schedule: which definition of it this is, and what it does not fire."""

    definition: str
    """Names the document without its pause. Another one each time anything else in it changes. An event id, whose last
    character is the shard of the events that it fires."""
    since: datetime
    """It fires nothing earlier: when this definition was written, or when it was last resumed."""
    paused_at: datetime | None = None
    """When it was last paused, though it may have been resumed since."""
