"""All attempts in this agent's hands, and how many more it can take."""

from __future__ import annotations

import threading
import time
from typing import Callable

from nexomatic_agent.holding import Holding


class Holdings:
    """Keeps them by attempt. Any thread may call it."""

    def __init__(self, slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._slots = slots
        self._clock = clock
        self._paused_until: float | None = None
        self._changed = threading.Condition()
        self._held: dict[str, Holding] = {}

    def add(self, holding: Holding) -> bool:
        """Take it in. False: this very attempt is held already (the hub repeated an answer)."""
        with self._changed:
            if holding.claim.key in self._held:
                return False
            self._held[holding.claim.key] = holding
            return True

    def remove(self, holding: Holding) -> None:
        """It is settled."""
        with self._changed:
            self._held.pop(holding.claim.key, None)
            self._changed.notify_all()

    def of_event(self, event_id: str) -> list[Holding]:
        with self._changed:
            return [holding for holding in self._held.values() if holding.claim.event_id == event_id]

    def all(self) -> list[Holding]:
        with self._changed:
            return list(self._held.values())

    def event_ids(self) -> list[str]:
        """Of what is held, each once."""
        return sorted({holding.claim.event_id for holding in self.all()})

    @property
    def free(self) -> int:
        """Slots left."""
        with self._changed:
            paused = self._paused_until is not None and self._clock() < self._paused_until
            return 0 if paused else max(0, self._slots - len(self._held))

    def pause(self, seconds: float) -> None:
        """Offer no slot for so long."""
        with self._changed:
            self._paused_until = self._clock() + seconds

    @property
    def running(self) -> bool:
        """Whether any child may run."""
        return any(holding.running for holding in self.all())

    def wait_empty(self, seconds: float) -> bool:
        """Wait until nothing is held, at most so long. Whether nothing is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._held, seconds)
