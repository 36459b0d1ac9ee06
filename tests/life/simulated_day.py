"""Three hubs tick the same schedules for hours of virtual time, on one storage, and are killed at random.

Storage operations fail, take effect unheard, come late or happen twice; hubs die at any of them and are started again.
Afterwards every tick is held to account: each has made one event of each of its event types, with a message; nothing
else was made. What a tick is, is said by another evaluator and by a clock that is looked at each minute.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from random import Random
from typing import Any

from cronsim import CronSim

from hub.errors import Unavailable
from hub.evaluation import InlineEvaluator
from hub.model.configuration import Kind, ScheduleSource
from hub.model.event import Event
from hub.options import Options
from hub.rules import ids, zones
from hub.rules.schedule import LOOK_AHEAD, jitter, wall_of
from hub.signing import ROOT_KEY_BYTES, RootKey
from hub.storage import codec
from hub.storage.embedded import open_embedded
from hub.storage.ports import Storage
from hub.wiring import build
from tests.life.rig import LifeRig, open_rig
from tests.simulation.faults import Drawn, Fault, Faults
from tests.simulation.hub_pool import SimHub
from tests.simulation.trace import Trace
from tests.simulation.virtual_loop import EPOCH, VirtualClock, VirtualLoop

BEGINS = datetime(2031, 3, 8, 20, 0, 30, tzinfo=UTC)
"""In the night that follows, clocks in America go forward."""
ZONES = ("UTC", "America/New_York", "America/Los_Angeles", "America/Havana", "Europe/Berlin", "Asia/Kolkata")
MINUTE = timedelta(minutes=1)
QUIET = timedelta(minutes=20)
"""At the end nothing goes wrong any more, so that the hubs come to what is left."""
SETTLING = timedelta(minutes=5)
"""Of the last ticks: it may not be their turn yet."""


@dataclass(frozen=True)
class Day:
    """What is run."""

    seed: int
    schedules: int
    hours: float
    chance: float
    """Of a fault, at each storage operation."""
    kinds: Sequence[Fault] = tuple(fault for fault in Fault if fault is not Fault.NONE)


@dataclass(frozen=True)
class Account:
    """What came of it."""

    ticks: int
    events: int
    faults: int
    kills: int
    late: int
    """Ticks made after their time."""
    wrong: Sequence[str]
    """Ticks lost, doubled, made up, or without a message."""


class _Silent(Trace):
    """A day is too long to be kept."""

    def add(self, who: str, what: str, *details: object) -> None:
        """Nothing."""


def live(day: Day) -> Account:
    """Run it, and hold every tick to account."""
    loop = VirtualLoop()
    return loop.run(_live(day, loop))


async def _live(day: Day, loop: VirtualLoop) -> Account:
    rng = Random(day.seed)
    ahead = (BEGINS - EPOCH).total_seconds()
    engine = open_embedded(None, VirtualClock(loop, ahead))
    faults = Faults(Drawn(rng, day.chance, 10**9, day.hours * 3600 - QUIET.total_seconds(), day.kinds))
    async with open_rig(engine, VirtualClock(loop, ahead)) as rig:
        documents = await _configure(rig, day, rng)
        hubs = [SimHub(f"hub-{n}", ahead + rng.uniform(-1, 1), engine, _build, faults, _Silent(loop)) for n in range(3)]
        lives = [asyncio.create_task(hub.live_for_ever(Random(rng.random()), (1, 200))) for hub in hubs]
        timers = [asyncio.create_task(_timer(hub, rng.uniform(0, 3))) for hub in hubs]
        await asyncio.sleep(day.hours * 3600)
        for task in (*timers, *lives):
            assert not task.done(), task
            task.cancel()
        kills = sum(hit.fault in (Fault.CRASH_BEFORE, Fault.CRASH_AFTER) for hit in faults.hits)
        return await _account(rig, documents, BEGINS + timedelta(hours=day.hours), (len(faults.hits), kills))


def _build(storage: Storage, clock: Any, rng: Random) -> Any:
    options = Options(root_key=RootKey(bytes(ROOT_KEY_BYTES)))
    return build(options, storage, clock, InlineEvaluator(), lambda: rng.getrandbits(256))


async def _timer(hub: SimHub, late: float) -> None:
    """Each minute, if the hub is up and done with the last one."""
    while True:
        await asyncio.sleep(60 - (asyncio.get_running_loop().time() + 30) % 60 + late)
        process = hub.process
        if process is not None and process.alive:
            await process.until_death(process.start(_step(hub)))


async def _step(hub: SimHub) -> None:
    with suppress(Unavailable):  # the next minute is another try
        await hub.handler.sources.schedules.step()


async def _configure(rig: LifeRig, day: Day, rng: Random) -> list[dict[str, Any]]:
    await rig.event_type("A")
    await rig.event_type("B")
    documents = [_schedule(number, rng) for number in range(day.schedules)]
    for start in range(0, len(documents), 90):
        await rig.hub.resources.apply({Kind.SOURCE: list(documents[start : start + 90])})
    return documents


def _schedule(number: int, rng: Random) -> dict[str, Any]:
    minute, hour = rng.randrange(60), rng.randrange(24)
    crons = ("* * * * *", f"{minute % 15}-59/15 * * * *", f"{minute} * * * *", f"{minute} {hour} * * *")
    (cron,) = rng.choices(crons, (1, 4, 20, 75))
    return {
        "name": f"s{number}",
        "kind": "SCHEDULE",
        "event_types": ["A", "B"] if number % 10 == 0 else ["A"],
        "cron": cron,
        "timezone": rng.choice(ZONES),
        "jitter_seconds": 300 if number % 7 == 0 else 0,
        "catch_up": "all",
        "catch_up_window_seconds": 86_400,
        "overlap": rng.choice(("allow", "skip", "queue")),
    }


# --- the account


async def _account(
    rig: LifeRig, documents: Sequence[Mapping[str, Any]], until: datetime, hits: tuple[int, int]
) -> Account:
    snapshot = (await rig.hub.configuration.newest()).snapshot
    late_by = {
        source.name: jitter(source) for source in snapshot.sources.values() if isinstance(source, ScheduleSource)
    }
    events = await _events(rig)
    hinted = await _hinted(rig, {each.queue for each in events})
    made: dict[tuple[str, str], Counter[datetime]] = {}
    for event in events:
        assert event.source is not None
        made.setdefault((event.source, event.event_type), Counter())[ids.time_of(event.id) - late_by[event.source]] += 1
    wrong = [f"event {each.id} of {each.source} has no message" for each in events if each.id not in hinted]
    ticks = 0
    for document in documents:
        name, late = document["name"], late_by[document["name"]]
        since = snapshot.schedules[name].since
        expected = _expected(document["cron"], document["timezone"], since - late, until + LOOK_AHEAD + MINUTE - late)
        ticks += len(expected)
        for event_type in document["event_types"]:
            found = made.pop((name, event_type), Counter())
            wrong += [
                f"{name} of {event_type} was made {count} times at {at}" for at, count in found.items() if count > 1
            ]
            lost = (at for at in expected if at not in found and at + late < until - SETTLING)
            wrong += [f"{name} of {event_type} lost {at}" for at in lost]
            wrong += [f"{name} of {event_type} made up {at}" for at in found if at not in expected]
    wrong += [f"nobody asked for {each}" for each in made]
    return Account(ticks, len(events), *hits, sum(each.created_at > ids.time_of(each.id) for each in events), wrong)


async def _events(rig: LifeRig) -> list[Event]:
    found: list[Event] = []
    async for indexed in rig.hub.context.partitions.walk():
        page = None
        while page is None or len(page) == 1000:
            after = page[-1].event.id if page else ""
            page = await rig.hub.context.events.list(indexed.partition, after=after)
            found += [each.event for each in page]
    return found


async def _hinted(rig: LifeRig, queues: set[str]) -> set[str]:
    """The events that have a message, which may still be hidden."""
    await asyncio.sleep(3600)
    found: set[str] = set()
    for queue in queues:
        while messages := await rig.hub.storage.queues.receive(queue, count=32, hidden_seconds=86_400):
            found.update(codec.decode_hint(message.body).event_id for message in messages)
    return found


@lru_cache(maxsize=100)
def _shown(zone: str, begin: datetime, end: datetime) -> tuple[list[datetime], list[datetime]]:
    minutes = [begin + number * MINUTE for number in range(-3 * 60, int((end - begin) / MINUTE) + 60)]
    return minutes, list(accumulate((wall_of(each, zones.zone(zone)) for each in minutes), max))


@lru_cache(maxsize=5000)
def _expected(cron: str, zone: str, since: datetime, until: datetime) -> frozenset[datetime]:
    """The moments that are meant, later than `since` up to `until`."""
    begin = since.replace(second=0, microsecond=0)
    minutes, latest = _shown(zone, begin, until)
    found = set()
    for wall in CronSim(cron, latest[0]):
        if wall >= latest[-1]:
            break
        moment = minutes[bisect_left(latest, wall)]
        if since < moment <= until:
            found.add(moment)
    return frozenset(found)
