"""`max_running` 3: never more than three at once, also after a sink is killed that held slots, and no slot is lost."""

from __future__ import annotations

import asyncio

from hub.model.event import Event, State
from tests.life.fleet import Fleet, with_fleet

MOST = 3


async def held(fleet: Fleet, events: list[Event]) -> int:
    """How many have a lease that is not over."""
    now = fleet.rig.clock.now()
    rows = [(await fleet.storage_rows.get(each.id)).event for each in events]
    return sum(row.state is State.RUNNING and row.lease_until is not None and row.lease_until > now for row in rows)


def test_never_more_than_three_also_after_killing_a_sink_that_held_them() -> None:
    async def body(fleet: Fleet) -> None:
        await fleet.rig.event_type("A", max_running=MOST)
        events = [await fleet.rig.fire("A") for _ in range(12)]
        doomed = fleet.sink("doomed", 0, slots=9, seconds=20.0)
        await fleet.until(lambda: fleet.running["A"] == MOST, 30)
        fleet.sink("other", 1, slots=9, seconds=5.0)
        doomed.cancel()
        seen = []
        for _ in range(400):
            seen.append(await held(fleet, events))
            if len(fleet.finished) == len(events):
                break
            await asyncio.sleep(0.5)
        assert max(seen) == MOST, "as many as may, and no more"
        assert fleet.most_running["A"] == MOST
        assert len(fleet.finished) == len(events)
        rows = [(await fleet.storage_rows.get(each.id)).event for each in events]
        assert sorted(row.lost for row in rows) == [0] * 9 + [1] * MOST

    with_fleet(body, hubs=2)
