"""What a task can be told: what became of the things it asked for, and what else happened to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from nexomatic_agent.intents import Call, TaskResult


@dataclass(frozen=True)
class Journaled:
    """The claim is on disk."""


@dataclass(frozen=True)
class JournalFailed:
    """The claim could not be written; nothing may start."""

    message: str


@dataclass(frozen=True)
class Renewed:
    """The hub answered a renewal, or a chunk that renewed: the lease goes on."""

    token: str
    lease_seconds: float
    watched: bool = False


@dataclass(frozen=True)
class SecretsFetched:
    """The values of all the task's secrets are in memory."""


@dataclass(frozen=True)
class ChunkStored:
    """The hub has the chunk; so many bytes of log are still waiting. `renewed` when the chunk renewed the lease."""

    pending_bytes: int
    renewed: Optional[Renewed] = None


@dataclass(frozen=True)
class CallFailed:
    """This call got no usable answer: it may or may not have taken effect. `retry_after`: seconds asked for."""

    call: Call
    retry_after: Optional[float] = None


@dataclass(frozen=True)
class CallRefused:
    """The hub will never accept this call as it is (400, 404, 413): not about the lease. So much log still waits."""

    call: Call
    message: str
    pending_bytes: int = 0


@dataclass(frozen=True)
class LeaseRefused:
    """The hub answered this call with 409: the lease is over: `superseded`, `cancelled` or `timed-out`."""

    call: Call
    reason: str


@dataclass(frozen=True)
class Started:
    """The child process runs."""


@dataclass(frozen=True)
class Logged:
    """The task wrote; so many bytes of log wait to be sent, those in flight included."""

    pending_bytes: int


@dataclass(frozen=True)
class Exited:
    """The child and everything it started is gone and its output is read to the end; so much log is waiting."""

    result: TaskResult
    pending_bytes: int = 0


@dataclass(frozen=True)
class Spooled:
    """The result is on disk, or cannot be (a full disk): it is reported either way."""


@dataclass(frozen=True)
class Recorded:
    """The hub has recorded the report."""


@dataclass(frozen=True)
class CancelHeard:
    """A poll's answer said that this event was cancelled."""


@dataclass(frozen=True)
class HandBack:
    """The agent stops and will not wait for this task."""


@dataclass(frozen=True)
class Tick:
    """Time has passed; sent when `wake_at` is reached."""
