"""What a Python module may import from Nexomatic: `from nexomatic import Context, Warn`.

This file depends on nothing, so that importing it costs nothing and a module can be tested with a copy of it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

__all__ = ["Context", "Warn"]


class Warn(Exception):
    """Raise it to end the task as WARNING: it did its work, and somebody should look.

    `code` is what the event shows as its result code, `data` what it keeps as its result; `data` must be something
    JSON can hold.
    """

    def __init__(self, message: str, code: Optional[str] = None, data: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.data = data


class Context:
    """Which event this is. Given to a module's function as its third argument."""

    __slots__ = (
        "action", "attempt", "correlation_id", "created_at", "event_id", "event_type", "parent_id", "root_id",
        "source", "timeout_seconds", "traceparent", "work_folder",
    )  # fmt: skip

    action: str
    """The action that is executed."""
    attempt: int
    """1 for the first try."""
    correlation_id: Optional[str]
    created_at: Optional[str]
    """When the event was created: UTC, as in 2026-11-23T22:59:00Z."""
    event_id: str
    event_type: str
    parent_id: Optional[str]
    """The event this one follows on; None if there is none."""
    root_id: Optional[str]
    """The event the whole chain began with."""
    source: Optional[str]
    """The source that produced the event."""
    timeout_seconds: float
    """The task is interrupted so long after its start."""
    traceparent: Optional[str]
    """W3C trace context, to be passed on in calls to other systems."""
    work_folder: str
    """The task's own folder, also its current folder at the start. It is removed when the attempt ends."""

    def __init__(self, **known: Any) -> None:
        for name in self.__slots__:
            setattr(self, name, known.get(name))

    def __repr__(self) -> str:
        return f"Context(event_id={self.event_id!r}, event_type={self.event_type!r}, attempt={self.attempt!r})"
