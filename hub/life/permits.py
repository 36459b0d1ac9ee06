"""Permits: what the limits of an EventType say to one more attempt of it, how many run at once and start in a minute.

Whatever is over a limit waits, hidden for 15 s at most; it is no error.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hub.errors import NexomaticError
from hub.limits.slots import Slots
from hub.limits.start_rate import StartRates
from hub.model.configuration import EventType


class Later(Exception):
    """It may run, but not now: its hint is hidden for so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not for {seconds:g} s")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Permit:
    """One claim may be written."""

    event_type: EventType
    claim_id: str
    slot: int | None
    """Which of the EventType's `max_running` slots it occupies."""


class Permits:
    """Gives permits. One that is not limited costs no operation."""

    def __init__(self, slots: Slots, rates: StartRates, no_slot_seconds: float) -> None:
        self._slots = slots
        self._rates = rates
        self._no_slot_seconds: Final = no_slot_seconds

    async def take(self, event_type: EventType, claim_id: str, *, now: datetime, until: datetime) -> Permit:
        """A permit for a claim that leases from now until then. Raises `Later`, `Unavailable`."""
        most = event_type.rate_per_minute
        if most is not None:
            # Asked before a slot is taken: nearly all who wait for the rate cost no operation by it.
            _wait(self._rates.known_wait(event_type.name, most))
        permit = Permit(event_type, claim_id, await self._slot(event_type, claim_id, now, until))
        if most is None:
            return permit
        try:
            _wait(await self._rates.take(event_type.name, most))
        except (Later, NexomaticError):
            with suppress(NexomaticError):  # storage does not answer: the slot expires by itself
                await self._release(permit)
            raise
        return permit

    async def give_back(self, permit: Permit) -> None:
        """The claim was not written, and certainly will not be."""
        if permit.event_type.rate_per_minute is not None:
            self._rates.give_back(permit.event_type.name, permit.event_type.rate_per_minute)
        await self._release(permit)

    async def _slot(self, event_type: EventType, claim_id: str, now: datetime, until: datetime) -> int | None:
        if event_type.max_running is None:
            return None
        slot = await self._slots.take(event_type.name, event_type.max_running, claim_id, now=now, until=until)
        if slot is None:
            raise Later(self._no_slot_seconds)
        return slot

    async def _release(self, permit: Permit) -> None:
        if permit.slot is not None:
            await self._slots.release(permit.event_type.name, permit.slot, permit.claim_id)


def _wait(seconds: float | None) -> None:
    if seconds is not None:
        raise Later(seconds)
