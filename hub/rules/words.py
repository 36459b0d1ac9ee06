"""Numbers and times as sentences say them. Pure."""

from __future__ import annotations

from datetime import datetime


def moment(at: datetime | None) -> str:
    """`2026-11-23T22:46:00Z`."""
    return "an unknown time" if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"


def counted(number: int, one: str) -> str:
    """`1 sink`, `2 sinks`."""
    return f"{number} {one}" if number == 1 else f"{number} {one}s"
