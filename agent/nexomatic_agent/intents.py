"""What a task can ask for: the shell around the state machine carries it out and reports back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Optional


class Call(Enum):
    """The calls to the hub about a task. At most one of the last two is in flight, and a renewal of its own beside."""

    SECRETS = "secrets"
    RENEW = "renew"
    CHUNK = "chunk"
    REPORT = "report"


class StopReason(Enum):
    """Why a task's process is stopped before it ended by itself."""

    TIMEOUT = "timeout"
    LEASE_LOST = "lease lost"
    CANCELLED = "cancelled"
    HAND_BACK = "agent is stopping"


@dataclass(frozen=True)
class TaskResult:
    """How a task ended, as it is reported. `state` is SUCCESS, WARNING, ERROR or RETURNED."""

    state: str
    code: Optional[str] = None
    message: Optional[str] = None
    data: Any = None
    started: bool = True


@dataclass(frozen=True)
class WriteJournal:
    """Write the claim to disk. `started`: the child may run from the next moment on."""

    started: bool


@dataclass(frozen=True)
class FetchSecrets:
    """Ask the hub for the values of the task's secrets, and keep them in memory: they are in no happening."""

    token: str


@dataclass(frozen=True)
class StartChild:
    """Start the task's process."""


@dataclass(frozen=True)
class SendRenewal:
    token: str


@dataclass(frozen=True)
class SendChunk:
    """Send the oldest waiting lines, or those of the last try again."""

    token: str
    renew: bool


@dataclass(frozen=True)
class StopChild:
    """Interrupt, wait the grace time, kill the whole tree. Saying it twice is harmless."""

    reason: StopReason


@dataclass(frozen=True)
class WriteSpool:
    """Write the result and the rest of the log to disk."""

    result: TaskResult


@dataclass(frozen=True)
class SendReport:
    """Report the result, with what is left of the log."""

    token: str
    result: TaskResult


@dataclass(frozen=True)
class KeepAside:
    """Keep a result that the hub will not take, for people to look at."""

    why: str
    result: TaskResult


@dataclass(frozen=True)
class Forget:
    """Remove the journal entry, the spooled result and the work folder: it is settled.

    `lost`: the hub did not take the result; keep it aside and say so.
    """

    lost: Optional[str] = None
    result: Optional[TaskResult] = None


Intent = Any
"""One of the intents above (a union, which Python 3.9 cannot say at run time)."""
