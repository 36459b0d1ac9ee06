"""The numbers of the storage protocol, in seconds and bytes. Settings give some; the others are reasoned here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Terms:
    """What the protocol's promises are computed from."""

    lease_seconds: int = 30
    """How long a sink may be silent. It renews each third of this."""
    clock_margin_seconds: float = 5
    """How much later than written a lease counts as expired: two hubs' clocks may differ by less than this."""
    run_grace_seconds: float = 30
    """How long past its run time-out the hub lets an attempt go on: the sink interrupts, waits, kills, reports."""
    create_seconds: float = 60
    """A create that takes longer is refused with 503."""
    orphan_seconds: float = 600
    """A hint whose row is missing is dropped only when this old: by then nobody can still be creating it."""
    no_slot_seconds: float = 15
    """How long a hint is hidden that meets no free slot, or a pause: hidden messages cannot be woken."""
    inline_bytes: int = 48 * 1024
    """Payloads and results up to this size lie in the row."""
    max_payload: int = 4 * 1024 * 1024
    shards: int = 1

    def first_visibility(self) -> float:
        """How long a received hint is hidden before it is claimed: so long a hub that dies there delays an event."""
        return self.lease_seconds / 2

    def second_sighting(self, lease_seconds: int) -> float:
        """How long after an expired lease was first seen it may be taken over: holders renew first after an outage."""
        return lease_seconds / 3
