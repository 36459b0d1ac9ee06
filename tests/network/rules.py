"""What the proxy is told, as JSON over its control connection: which calls meet which fault, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

TASK_KINDS = ("secrets", "renew", "logs", "result")
KINDS = ("enroll", "poll", *TASK_KINDS)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done with one request. `name` is one of faults.BEHAVIOURS; the other fields are for some of them."""

    name: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict)
    """Members of the problem document."""
    seconds: float = 0.0
    """How late, how long, or between two bytes."""
    rate: int = 0
    """Bytes a second."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Requests that meet this fault: the first rule of a lane that fits is taken."""

    fault: Fault
    kinds: tuple[str, ...] = KINDS
    event: str | None = None
    """Only calls about this event."""
    times: int | None = None
    """So often; None: until the rules are changed."""
    odds: float = 1.0
    """Of those that fit, this share, drawn by the lane's seed."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        return cls(**{**said, "fault": Fault(**said["fault"]), "kinds": tuple(said["kinds"])})


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as the proxy saw it: when (monotonic seconds), what it was, and what was done with it."""

    at: float
    kind: str
    event: str | None
    fault: str | None
    """None: it was passed on."""
