"""How soon the calls about one task are made again after failures. Pure: the time is passed in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Optional

from nexomatic_agent.intents import Call

RETRY_SECONDS = 5.0
"""The longest wait between two tries of a call while the hub does not answer, unless it asks for more."""
FIRST_RETRY_SECONDS = 0.5


@dataclass
class Pace:
    """Waits that double with each failure of one kind of call, and those that the far end asked for.

    `spread`, 0 to 1, is another for each task: many must not come back in the same instant.
    """

    spread: float
    failed_last: Optional[Call] = None
    """The kind of call that failed last, if it was not answered since."""
    _failures: Dict[Call, int] = field(default_factory=dict)
    _wait_until: float = 0.0
    """For the kinds of calls that failed; the others have nothing to wait for."""
    _asked_until: float = 0.0
    """For all of them: until then the far end wants to hear nothing of this task."""

    def failed(self, call: Call, retry_after: Optional[float], lease_seconds: float, now: float) -> None:
        """This call failed. `retry_after`: seconds that were asked for.

        Half a lease of them is granted: after two such waits the event is still this agent's.
        """
        failures = self._failures.get(call, 0)
        wait = min(RETRY_SECONDS, FIRST_RETRY_SECONDS * 2**failures) * (0.75 + self.spread / 4)
        asked = min((retry_after or 0.0) * (1 + self.spread / 4), lease_seconds / 2)
        self._failures[call] = min(failures + 1, 10)
        self._wait_until = max(self._wait_until, now + wait)
        self._asked_until = max(self._asked_until, now + asked)
        self.failed_last = call

    def answered(self, call: Call) -> None:
        """This kind of call starts over."""
        self._failures.pop(call, None)
        if self.failed_last is call:
            self.failed_last = None

    def failing(self, call: Call) -> bool:
        """Whether this kind of call has failed since it was answered last."""
        return call in self._failures

    def not_before(self, call: Call, at: float) -> float:
        """When a call that is due at this time may be made."""
        return max(at, self._asked_until, self._wait_until if self.failing(call) else 0.0)
