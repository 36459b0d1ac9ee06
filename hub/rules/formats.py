"""Which formats of rows and messages a release reads, and which one it writes. Pure.

What is written is the level in force in the database, not the newest that the release knows: the release before may
still run beside it. The level goes up by one, when an admin says that it does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

FIRST: Final = 1


@dataclass(frozen=True, slots=True)
class Level:
    """What is written. Who raised it, and when; None: nobody has, the database began there."""

    number: int = FIRST
    by: str | None = None
    at: datetime | None = None


def is_read(number: object, newest: int) -> bool:
    """Whether a release that knows the formats up to `newest` reads this one."""
    return type(number) is int and FIRST <= number <= newest


def refusal(level: int, newest: int) -> str | None:
    """Why a release whose newest format is `newest` must not serve a database at this level; None: it may."""
    if newest < level:
        return (
            f"the database is at format {level}, and this release reads up to {newest}: "
            f"run a release that reads format {level}, or restore a backup of before it was finalised"
        )
    if newest > level + 1:
        return (
            f"the database is at format {level}, and this release writes {newest}: a release was left out. Run the one "
            f"that writes format {level + 1}, finalise there (nexo formats finalise), and upgrade again"
        )
    return None
