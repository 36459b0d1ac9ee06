"""The audit on each of the real engines: recorded, listed, anchored, verified."""

from __future__ import annotations

import asyncio

from hub.audit.attempt import Who
from hub.audit.release_list import WantedRelease
from hub.audit.verifying import Walk
from hub.audit.wanted import Wanted
from hub.model.audit import GivenSecret
from tests.contract.rig import unique
from tests.life.rig import LifeRig


async def test_recorded_listed_anchored_and_verified(either: LifeRig) -> None:
    audit = either.hub.audit
    actor, secret = f"users/{unique('ann')}", unique("secret")
    await asyncio.gather(*(audit.trail.record(Who(actor), "PUT /x", f"x/{turn}") for turn in range(3)))
    async with audit.trail.attempt(Who(actor), "DELETE /x", "x/3") as attempt:
        await attempt.intend()
    for turn in range(3):
        await audit.releases.record(Who("sinks/box"), f"E{turn}", [GivenSecret(name=secret, version="1")])

    page = await audit.people.page(Wanted(actor=actor), after=None, limit=10)
    assert [each.entry.action for each in page.items] == ["DELETE /x", *["PUT /x"] * 3]
    released = await audit.release_list.page(WantedRelease(Wanted(), secret, "1"), after=None, limit=2)
    more = await audit.release_list.page(WantedRelease(Wanted(), secret, "1"), after=released.reached, limit=2)
    found = [each.entry.resource for each in (*released.items, *more.items)]
    assert found == ["events/E2", "events/E1", "events/E0"]

    await audit.anchoring.step()
    walk = Walk()
    while walk.stage != "over":
        done = await audit.verifying.step(walk)
        assert done.breaks == []
        walk = done.walk
    assert walk.entries >= 7
    assert walk.anchors >= 1
