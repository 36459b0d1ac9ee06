"""Times as people write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from nexo_cli.errors import Exit, NexoError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def moment(text: str | None) -> str | None:
    """`15m` is so long ago; a time without an offset is of this machine's clock. Raises `NexoError`."""
    if text is None:
        return None
    ago = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if ago:
        return _utc(datetime.now(UTC) - timedelta(seconds=int(ago[1]) * _UNITS[ago[2]]))
    try:
        return _utc(datetime.fromisoformat(text).astimezone())
    except (ValueError, OverflowError):
        what = f"{text} is no time: write 2026-11-23T22:00:00Z, or how long ago, as 15m, 24h or 7d"
        raise NexoError(what, Exit.USAGE) from None


def from_now(text: str) -> str:
    """`90d` from now. Raises `NexoError`."""
    return _utc(datetime.now(UTC) + timedelta(seconds=seconds(text) or 0))


def seconds(text: str | None) -> int | None:
    """`15m` as seconds. Raises `NexoError`."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,8})([smhd])", text)
    if not found:
        raise NexoError(f"{text} is no length of time: write 90s, 15m, 24h or 7d", Exit.USAGE)
    return int(found[1]) * _UNITS[found[2]]


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
