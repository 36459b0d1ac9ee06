"""How a process finds itself and what it depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """Why a hub does not work as it should. Fixed words: whoever asks is told no names, addresses or errors."""

    NOT_STARTED = "NOT_STARTED"
    STORAGE = "STORAGE"
    KEY_VAULT = "KEY_VAULT"
    CLOCK = "CLOCK"
    TIMER = "TIMER"
    DISK = "DISK"


WORDS: Final[Mapping[Reason, str]] = {
    Reason.NOT_STARTED: "the hub could not start yet: its log says why",
    Reason.STORAGE: "storage does not answer as it should: nothing is taken until it does",
    Reason.KEY_VAULT: "the key vault does not answer as it should: what needs a secret waits",
    Reason.CLOCK: "this instance's clock is too far from storage's: it hands out no work",
    Reason.TIMER: "the timer has stopped: requests do its work meanwhile",
    Reason.DISK: "the disk is nearly full: new events are refused until there is room, the others go on",
}
"""The same for people."""
_NOT_READY: Final = frozenset({Reason.NOT_STARTED, Reason.STORAGE})
"""What a hub cannot work without. With the others it works, and somebody should look."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one look has found."""

    reasons: tuple[Reason, ...] = ()
    heartbeat_age: float | None = None
    """Since when the timer's last step has been over, in seconds; None: there was none, or storage does not say."""

    @property
    def ready(self) -> bool:
        """Whether requests are worth sending here."""
        return not _NOT_READY.intersection(self.reasons)
