"""The disk is nearly full: what is new is refused, what was taken goes on, and nothing is lost by it."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.errors import NoRoom, Unavailable
from hub.life.operations import NewOperation
from hub.model.event import State
from hub.model.operation import BulkAction, EventFilter
from hub.problems import problem_of
from hub.rules.rerunning import RerunAs
from hub.storage.embedded import EmbeddedStorage, open_embedded
from hub.storage.keys import EVENTS
from hub.storage.ports import ANY_ETAG, Room
from hub.wire import Renew, ResultState
from tests.contract.rig import ManualClock
from tests.life.hooks import configure, deliver
from tests.life.rig import SINK, LifeRig, open_rig

MIB = 1 << 20
Usage = namedtuple("Usage", "total used free")


class Disk:
    """A disk that a test fills."""

    def __init__(self) -> None:
        self.free = 1000 * MIB
        self.looks = 0

    def usage(self, _: Path) -> Usage:
        self.looks += 1
        return Usage(1000 * MIB, 0, self.free)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr("hub.storage.embedded.room.shutil.disk_usage", made.usage)
    return made


@pytest.fixture
async def storage(tmp_path: Path, clock: ManualClock, disk: Disk) -> EmbeddedStorage:
    return open_embedded(tmp_path / "nexomatic.db", clock, 100 * MIB)


@pytest.fixture
async def small(storage: EmbeddedStorage, clock: ManualClock) -> AsyncIterator[LifeRig]:
    async with open_rig(storage, clock) as opened:
        yield opened


async def test_the_disk_is_asked_once_a_second(storage: EmbeddedStorage, clock: ManualClock, disk: Disk) -> None:
    assert storage.room() == Room(True, 1000 * MIB)
    disk.free = 99 * MIB
    assert storage.room().enough
    assert disk.looks == 1
    clock.advance(1)
    assert storage.room() == Room(False, 99 * MIB)
    disk.free = 100 * MIB
    clock.advance(1)
    assert storage.room().enough
    assert disk.looks == 3
    await storage.close()


async def test_what_retention_has_freed_inside_the_file_is_room_but_not_all_of_it(
    tmp_path: Path, clock: ManualClock, disk: Disk
) -> None:
    storage = open_embedded(tmp_path / "small.db", clock, 2 * MIB)
    disk.free = MIB
    for number in range(60):
        await storage.tables.insert(EVENTS, "p", f"{number}", {"x": b"x" * 40_000})
    assert not storage.room().enough
    for number in range(60):
        await storage.tables.delete(EVENTS, "p", f"{number}", ANY_ETAG)
    await storage.prepare()  # behind which the writer has looked
    clock.advance(1)
    assert storage.room().enough
    disk.free = MIB // 2 - 1  # together it would be enough, but all that is written goes through the log
    clock.advance(1)
    assert not storage.room().enough
    await storage.close()


async def test_in_memory_and_without_the_setting_nobody_looks(tmp_path: Path, clock: ManualClock, disk: Disk) -> None:
    for opened in (open_embedded(None, clock, 1), open_embedded(tmp_path / "x.db", clock)):
        assert opened.room() == Room()
        await opened.close()
    assert disk.looks == 0


def test_507_says_when_to_come_again() -> None:
    problem = problem_of(NoRoom())
    assert (problem.status, problem.headers) == (507, {"Retry-After": "30"})
    assert problem.document["type"] == "urn:nexomatic:problem:no-room"


async def test_what_runs_ends_and_what_follows_comes_to_be(small: LifeRig, clock: ManualClock, disk: Disk) -> None:
    await small.event_type("NEXT")
    await small.event_type("A", on={"on_success": "NEXT"})
    key = await configure(small.hub, {"B": {}})
    first = await small.fire("A")
    task = await small.one()
    disk.free = 0
    clock.advance(2)
    with pytest.raises(NoRoom):
        await deliver(small.hub, key)
    renewed = await small.hub.agents.renew(SINK, task.event_id, Renew(token=task.token))
    await small.report(task.model_copy(update={"token": renewed.token}))
    ended = await small.read(first.id)
    assert (ended.state, ended.follow_on is not None) == (State.SUCCESS, True)
    following = await small.one()
    assert following.event_type == "NEXT"
    await small.report(following)
    disk.free = 1000 * MIB
    clock.advance(2)
    assert (await deliver(small.hub, key)).event is not None


async def test_a_refused_webhook_leaves_a_count_and_no_receipt_of_its_own(
    small: LifeRig, clock: ManualClock, disk: Disk
) -> None:
    key = await configure(small.hub, {"B": {}}, dedupe={"header": "X-Delivery", "hours": 24})
    await deliver(small.hub, key, x_delivery="before")
    disk.free = 0
    clock.advance(2)
    for number in range(30):
        with pytest.raises(NoRoom):
            await deliver(small.hub, key, x_delivery=f"d-{number}" if number else "before")
    await small.hub.sources.webhooks._stages.receipts.counted.flush()
    page = await small.hub.sources.receipt_list.page("hook", after=None, limit=100)
    assert [(each.count, each.counts) for each in page.items if each.status != 202] == [(30, {"507": 30})]
    assert len(page.items) == 2  # nor does a repeated delivery leave one
    disk.free = 1000 * MIB
    clock.advance(120)
    accepted = await deliver(small.hub, key, x_delivery="d-3")  # nothing was remembered of the delivery
    assert accepted.event is not None
    assert not accepted.duplicate


async def test_a_tick_stays_due_until_there_is_room(small: LifeRig, clock: ManualClock, disk: Disk) -> None:
    await small.event_type("A")
    await small.schedule(cron="*/10 * * * *")
    await small.hub.sources.schedules.step()
    disk.free = 0
    clock.advance(11 * 60)
    assert await small.hub.sources.schedules.step() == 0
    disk.free = 1000 * MIB
    clock.advance(60)
    assert await small.hub.sources.schedules.step() == 1
    (event,) = [each for each in await events_of(small) if each.source == "s"]
    assert event.not_before is not None
    assert clock.now() - event.not_before == timedelta(minutes=2)


async def events_of(rig: LifeRig) -> list[Any]:
    found = []
    async for indexed in rig.hub.context.partitions.walk():
        found += [each.event for each in await rig.hub.context.events.list(indexed.partition)]
    return found


async def test_reruns_wait_and_retention_goes_on(
    small: LifeRig, clock: ManualClock, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await small.event_type("A")
    event = await small.fire("A")
    await small.report(await small.one(), ResultState.ERROR)
    clock.advance(1)
    disk.free = 0
    clock.advance(2)
    hub = small.hub
    wanted = NewOperation(BulkAction.RETRY, EventFilter(states=(State.ERROR,)), RerunAs.TODAY)
    operation = await hub.operations.begin(wanted)
    await hub.operations.idle()
    stood = await hub.operations.get(operation.id)
    assert (stood.done, stood.failed) == (0, 0)
    assert "nearly full" in str(stood.note)
    swept: list[str] = []

    async def fails() -> int:
        raise Unavailable

    async def retention() -> None:
        swept.append("retention")

    monkeypatch.setattr(hub.upkeep._schedules, "step", fails)
    monkeypatch.setattr(hub.upkeep._retention, "step", retention)
    with pytest.raises(Unavailable):
        await hub.upkeep.tick()
    assert swept == ["retention"]
    disk.free = 1000 * MIB
    clock.advance(60)
    await hub.operations.step()
    assert (await hub.operations.get(operation.id)).done == 1
    assert [each.rerun_of for each in await events_of(small) if each.rerun_of] == [event.id]


async def test_health_says_so(small: LifeRig, clock: ManualClock, disk: Disk) -> None:
    disk.free = 0
    clock.advance(60)
    report = await small.hub.health.report()
    assert "DISK" in report.reasons
    assert report.ready
