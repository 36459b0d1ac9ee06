"""Where announcements go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hub.rules.announcing import Announcement

MOST_AT_ONCE = 100


class Topic(Protocol):
    """A place that others listen to. It may be told the same change again: listeners go by its id."""

    async def publish(self, announcements: Sequence[Announcement]) -> None:
        """Tell up to 100 changes; all are taken when this returns. Raises `Unavailable`."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
