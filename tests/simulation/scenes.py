"""Small scenarios, each about one thing: where faults are injected one by one, and where planted bugs must show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hub.model.configuration import OnLost, Overlap, RetryPolicy, ScheduleSource
from hub.model.sink import Command
from tests.simulation.faults import Layer, Outage
from tests.simulation.scenario import DAY, FAILED, HOUR, Pool, Post, Scenario, WorkKind, kind

TWO = (Pool("sink-a"), Pool("sink-b"))
OTHER = "SIM:OTHER"
SHORT = 20 * 60.0
"""A horizon for scenes that must be over soon."""


def one(seed: int) -> Scenario:
    """One short event."""
    return Scenario("one", seed, (kind("PLAIN"),), (Post(0, "PLAIN", 1.0),), TWO, horizon=SHORT)


def chain(seed: int) -> Scenario:
    """A parent and its follow-on."""
    kinds = (kind("PARENT", edges={"on_success": "CHILD"}), kind("CHILD"))
    return Scenario("chain", seed, kinds, (Post(0, "PARENT", 1.0),), TWO, hubs=(0.5, -0.5), horizon=SHORT)


def tick(seed: int) -> Scenario:
    """One tick of a schedule, which is made at the first run of the timer before it, or at the next."""
    source = _schedule(cron="2 6 * * *", event_types=["TICK"])
    return Scenario("tick", seed, (kind("TICK"),), (), TWO, schedules=(source,), horizon=SHORT)


def scheduled(seed: int) -> Scenario:
    """Two ticks of a schedule that fires two event types."""
    kinds = (kind("TICK"), kind("TOCK"))
    return Scenario("scheduled", seed, kinds, (), TWO, (0.5, -0.5), schedules=(_schedule(),), horizon=SHORT)


def scheduled_in_line(seed: int) -> Scenario:
    """Three ticks, each of which waits until the one before has ended, while a hub dies now and then."""
    kinds = (kind("TICK", WorkKind(seconds=(80, 90))), kind("TOCK"))
    schedules = (_schedule(cron="2-4 6 * * *", overlap=Overlap.QUEUE),)
    return Scenario("scheduled in line", seed, kinds, (), TWO, schedules=schedules, horizon=SHORT, most_wait=300)


def _schedule(**fields: Any) -> ScheduleSource:
    document = {"name": "s", "kind": "SCHEDULE", "event_types": ["TICK", "TOCK"], "cron": "2,3 6 * * *"}
    return ScheduleSource.model_validate({**document, "payload": {"n": 1}, "catch_up": "all", **fields})


def lonely_chain(seed: int) -> Scenario:
    """A parent whose pool has one sink, and a follow-on for another pool."""
    kinds = (kind("PARENT", edges={"on_success": "CHILD"}), kind("CHILD", sink_type=OTHER))
    pools = (Pool("sink-a"), Pool("sink-b", sink_type=OTHER))
    return Scenario("lonely chain", seed, kinds, (Post(0, "PARENT", 1.0),), pools, horizon=SHORT)


def retried(seed: int) -> Scenario:
    """An event that fails, is tried again a minute later, and fails for good."""
    policy = RetryPolicy(max_attempts=2, backoff_seconds=60, jitter=0)
    kinds = (kind("RETRIED", WorkKind(ends=("ERROR",)), retry=policy),)
    return Scenario("retried", seed, kinds, (Post(0, "RETRIED", 1.0),), TWO, horizon=SHORT)


def cancelled(seed: int) -> Scenario:
    """A running event is cancelled, and what follows a failure follows."""
    kinds = (kind("PARENT", WorkKind(seconds=(20, 25)), edges={"on_failure": "CHILD"}), kind("CHILD"))
    return Scenario("cancelled", seed, kinds, (Post(0, "PARENT", 1.0, cancel_at=6.0),), TWO, horizon=SHORT)


def long(seed: int) -> Scenario:
    """A task that renews its lease several times and writes more log than its report carries."""
    kinds = (kind("LONG", WorkKind(seconds=(40, 45), log_bytes=(100_000,))),)
    return Scenario("long", seed, kinds, (Post(0, "LONG", 1.0),), TWO, hubs=(1.9, -1.9), horizon=SHORT)


def short_lease(seed: int) -> Scenario:
    """The shortest lease there is, on hubs whose clocks are as far apart as they may be."""
    kinds = (kind("SHORT", WorkKind(seconds=(20, 25)), lease_seconds=10),)
    return Scenario("short lease", seed, kinds, (Post(0, "SHORT", 1.0),), TWO, hubs=(2.0, -2.0), horizon=SHORT)


def once(seed: int) -> Scenario:
    """Work that must never start twice."""
    kinds = (kind("ONCE", WorkKind(seconds=(12, 14)), retry=RetryPolicy(on_lost=OnLost.FAIL)),)
    return Scenario("once", seed, kinds, (Post(0, "ONCE", 1.0),), TWO, horizon=SHORT)


def secret(seed: int) -> Scenario:
    """Work that needs a secret."""
    kinds = (kind("SECRET", secrets=("token",)),)
    return Scenario("secret", seed, kinds, (Post(0, "SECRET", 1.0),), TWO, hubs=(0.5, -0.5), horizon=SHORT)


def secret_once(seed: int) -> Scenario:
    """Work that needs a secret and must never start twice."""
    kinds = (kind("ONCE", WorkKind(seconds=(3, 4)), retry=RetryPolicy(on_lost=OnLost.FAIL), secrets=("token",)),)
    return Scenario("secret once", seed, kinds, (Post(0, "ONCE", 1.0),), TWO, horizon=SHORT)


def secret_stall(seed: int) -> Scenario:
    """Who has just taken work that needs a secret stands still until another has it."""
    kinds = (kind("SECRET", WorkKind(seconds=(40, 45)), secrets=("token",), timeout_seconds=300),)
    pools = (Pool("sink-a", capacity=1, stalls=((1.0 + seed % 40 / 100, 70.0),)), Pool("sink-b", begins=3.0))
    return Scenario("secret stall", seed, kinds, (Post(0, "SECRET", 1.0),), pools, horizon=SHORT)


def secret_stall_alone(seed: int) -> Scenario:
    """The same in a pool of one: its lease runs out, and nobody takes over."""
    kinds = (kind("SECRET", WorkKind(seconds=(3, 4)), secrets=("token",), timeout_seconds=300),)
    pools = (Pool("sink-a", stalls=((1.0 + seed % 40 / 100, 70.0),)),)
    return Scenario("secret stall alone", seed, kinds, (Post(0, "SECRET", 1.0),), pools, horizon=SHORT)


def once_alone(seed: int) -> Scenario:
    """The same in a pool of one, so that nobody else ever looks at it."""
    kinds = (kind("ONCE", WorkKind(seconds=(12, 14)), retry=RetryPolicy(on_lost=OnLost.FAIL)),)
    return Scenario("once alone", seed, kinds, (Post(0, "ONCE", 1.0),), (Pool("sink-a"),), most_wait=180, horizon=SHORT)


def long_alone(seed: int) -> Scenario:
    """A long task in a pool of one, which is killed and comes back within seconds."""
    kinds = (kind("LONG", WorkKind(seconds=(40, 45))),)
    return Scenario("long alone", seed, kinds, (Post(0, "LONG", 1.0),), (Pool("sink-a"),), most_wait=20, horizon=SHORT)


def slotted(seed: int) -> Scenario:
    """Two events of which one may run at a time."""
    kinds = (kind("SLOTTED", WorkKind(seconds=(3, 5)), max_running=1),)
    posts = (Post(0, "SLOTTED", 1.0), Post(1, "SLOTTED", 1.1))
    return Scenario("slotted", seed, kinds, posts, TWO, horizon=SHORT)


def slotted_later(seed: int) -> Scenario:
    """One may run at a time, and the other looks for a slot just after an unrenewed lease has ended."""
    kinds = (kind("SLOTTED", WorkKind(seconds=(3, 5)), max_running=1),)
    posts = (Post(0, "SLOTTED", 1.0), Post(1, "SLOTTED", 8.0))
    return Scenario("slotted later", seed, kinds, posts, TWO, horizon=SHORT)


def three_slotted(seed: int) -> Scenario:
    """Three events of which one may run at a time, for long."""
    kinds = (kind("SLOTTED", WorkKind(seconds=(15, 20)), max_running=1),)
    posts = tuple(Post(number, "SLOTTED", 1.0 + number / 10) for number in range(3))
    return Scenario("three slotted", seed, kinds, posts, TWO, horizon=SHORT)


def slotted_stall(seed: int) -> Scenario:
    """One may run at a time, and whoever runs it stands still for longer than its lease."""
    kinds = (kind("SLOTTED", WorkKind(seconds=(60, 65)), max_running=1, timeout_seconds=300),)
    posts = (Post(0, "SLOTTED", 1.0), Post(1, "SLOTTED", 8.0))
    pools = (Pool("sink-a", capacity=1, stalls=((5.0, 38.0 + seed % 12),)), Pool("sink-b", begins=3.0))
    return Scenario("slotted stall", seed, kinds, posts, pools, horizon=SHORT)


def too_late(seed: int) -> Scenario:
    """An event whose pool is empty is past its queue time-out; what follows runs elsewhere."""
    kinds = (
        kind("TOO_LATE", queue_timeout_seconds=30, edges={"on_failure": "CHILD"}),
        kind("CHILD", sink_type=OTHER),
    )
    pools = (Pool("sink-a", sink_type=OTHER), Pool("sink-b", sink_type=OTHER))
    return Scenario("too late", seed, kinds, (Post(0, "TOO_LATE", 1.0),), pools, horizon=SHORT)


def too_late_and_old(seed: int) -> Scenario:
    """The same, of an event whose id says that it is hours old."""
    posts = (Post(0, "TOO_LATE", 130.0, id_at=-5 * HOUR),)
    return Scenario("too late and old", seed, (kind("TOO_LATE", queue_timeout_seconds=30),), posts, (), horizon=SHORT)


def too_late_and_among_settled(seed: int) -> Scenario:
    """The same, in an hour of which all that was there before has been settled, and was seen to be."""
    kinds = (kind("TOO_LATE", queue_timeout_seconds=30), kind("PLAIN", sink_type=OTHER))
    posts = (Post(0, "PLAIN", 1.0, id_at=-5 * HOUR), Post(1, "TOO_LATE", 130.0, id_at=-5 * HOUR))
    pools = (Pool("sink-a", sink_type=OTHER),)
    return Scenario("too late and among settled", seed, kinds, posts, pools, horizon=SHORT)


def too_long(seed: int) -> Scenario:
    """A task that its agent stops at its run time-out."""
    kinds = (kind("TOO_LONG", WorkKind(seconds=(300, 300)), timeout_seconds=10),)
    return Scenario("too long", seed, kinds, (Post(0, "TOO_LONG", 1.0),), TWO, horizon=SHORT)


def stubborn(seed: int) -> Scenario:
    """A task that its agent cannot stop: the hub ends the attempt."""
    kinds = (kind("TOO_LONG", WorkKind(seconds=(300, 300), stubborn_seconds=100), timeout_seconds=10),)
    return Scenario("stubborn", seed, kinds, (Post(0, "TOO_LONG", 1.0),), TWO, horizon=SHORT)


def outage(seed: int) -> Scenario:
    """Everybody works, and for longer than a lease storage cannot be reached."""
    kinds = (kind("LONG", WorkKind(seconds=(90, 110)), timeout_seconds=300),)
    posts = tuple(Post(number, "LONG", 1.0 + number / 10) for number in range(3))
    outages = (Outage(10.0 + seed % 7, 60.0 + seed % 11, Layer.STORAGE),)
    return Scenario("outage", seed, kinds, posts, TWO, outages=outages, healthy=True, horizon=SHORT)


def shared_out(seed: int) -> Scenario:
    """Two agents with one slot each, two hubs, two events: each agent gets one at once."""
    kinds = (kind("LONG", WorkKind(seconds=(20, 22))),)
    posts = (Post(0, "LONG", 5.0), Post(1, "LONG", 5.0))
    pools = (Pool("sink-a", capacity=1), Pool("sink-b", capacity=1))
    return Scenario("shared out", seed, kinds, posts, pools, hubs=(0.0, 0.1), most_wait=6.0, horizon=SHORT)


def forgotten(seed: int) -> Scenario:
    """Settled events are removed after seconds, while an agent that stood still has yet to repeat its report."""
    return _forgotten("forgotten", seed, Post(0, "PARENT", 1.0))


def forgotten_by_halves(seed: int) -> Scenario:
    """The same where a follow-on lies in another hour than its parent, and is removed before it."""
    return _forgotten("forgotten by halves", seed, Post(0, "PARENT", 1.0, id_at=-1.0))


def _forgotten(name: str, seed: int, parent: Post) -> Scenario:
    kinds = (kind("PARENT", WorkKind(seconds=(1, 1)), edges={"on_success": "CHILD"}), kind("CHILD", sink_type=OTHER))
    pools = (Pool("sink-a", stalls=((2.5, 67.5),)), Pool("sink-b", sink_type=OTHER))
    keep = 20 / DAY
    return Scenario(name, seed, kinds, (parent,), pools, retention_days=keep, most_wait=HOUR, horizon=SHORT)


def wrong_clock(seed: int) -> Scenario:
    """One of two hubs has a clock that is wrong by more than leases can bear: it claims nothing."""
    posts = tuple(Post(number, "PLAIN", 1.0 + number) for number in range(3))
    return Scenario("wrong clock", seed, (kind("PLAIN"),), posts, TWO, hubs=(0.0, 3.0), most_wait=130.0, horizon=SHORT)


def crowd(seed: int, *, events: int = 1000) -> Scenario:
    """Events posted to a pool that is empty for two months; then somebody comes.

    The timer fires where fresh hints are due, a few times each, and once a week: a pass reads every open event, and
    between those times it has nothing to do.
    """
    posts = tuple(Post(number, "PLAIN", 1.0 + number * 0.05) for number in range(events))
    due = [HOUR * 2**power + posts[-1].at for power in range(11)]
    ticks = [at + minute * 60 for at in due for minute in range(1, 4)]
    weekly = [week * 7 * DAY for week in range(1, 9)]
    pools = tuple(Pool(f"sink-{index}", capacity=200, begins=60 * DAY) for index in range(2))
    return Scenario(
        "crowd", seed, (kind("PLAIN", WorkKind(seconds=(0.1, 1.0))),), posts, pools, tick_seconds=None,
        tick_at=tuple(sorted([*ticks, *weekly])), most_messages=12, horizon=61 * DAY,
    )  # fmt: skip


def away_for_weeks(seed: int) -> Scenario:
    """A pool that is empty for 19 days: the freshest hint is then more than a week old.

    It is over within the hour, for a bug that lets the pool ask in vain until a fresh hint comes, a look a second.
    """
    pools = (Pool("sink-a", begins=19 * DAY),)
    return Scenario(
        "away for weeks", seed, (kind("PLAIN"),), (Post(0, "PLAIN", 1.0),), pools, tick_seconds=HOUR,
        most_messages=12, horizon=19 * DAY + HOUR,
    )  # fmt: skip


def away_for_a_day(seed: int) -> Scenario:
    """A pool that is empty for 40 hours."""
    pools = (Pool("sink-a", begins=40 * HOUR),)
    return Scenario(
        "away for a day", seed, (kind("PLAIN"),), (Post(0, "PLAIN", 1.0),), pools, tick_seconds=HOUR / 2,
        horizon=50 * HOUR,
    )  # fmt: skip


def in_ten_days(seed: int) -> Scenario:
    """An event that is not to run before ten days have passed."""
    pools = (Pool("sink-a", begins=10 * DAY - 120),)
    posts = (Post(0, "PLAIN", 1.0, not_before=10 * DAY),)
    return Scenario(
        "in ten days", seed, (kind("PLAIN"),), posts, pools, tick_seconds=HOUR, most_messages=12, horizon=11 * DAY
    )


def rated(seed: int) -> Scenario:
    """Five events of which two may start in a minute, for agents that ask one hub and the other."""
    kinds = (kind("RATED", WorkKind(seconds=(0.5, 1.0)), rate_per_minute=2),)
    posts = tuple(Post(number, "RATED", 1.0 + number / 10) for number in range(5))
    return Scenario("rated", seed, kinds, posts, TWO, hubs=(0.5, -0.5), horizon=SHORT)


def rated_and_slotted(seed: int) -> Scenario:
    """Both limits of an event type at once."""
    kinds = (kind("RATED", WorkKind(seconds=(3, 5)), rate_per_minute=3, max_running=1),)
    posts = tuple(Post(number, "RATED", 1.0 + number / 10) for number in range(4))
    return Scenario("rated and slotted", seed, kinds, posts, TWO, hubs=(0.5, -0.5), horizon=SHORT)


def three_at_once(seed: int) -> Scenario:
    """Nine events of which three may run at a time, for long, by agents that could run them all."""
    kinds = (kind("SLOTTED", WorkKind(seconds=(12, 16)), max_running=3),)
    posts = tuple(Post(number, "SLOTTED", 1.0 + number / 10) for number in range(9))
    pools = tuple(Pool(f"sink-{name}", capacity=9) for name in "abc")
    return Scenario("three at once", seed, kinds, posts, pools, hubs=(0.0, 0.5), horizon=SHORT)


def rerun(seed: int) -> Scenario:
    """An event is run again as it was, and is asked for under one key until that is answered."""
    kinds = (kind("PARENT", WorkKind(seconds=(1, 2)), edges={"on_success": "CHILD"}), kind("CHILD"))
    return Scenario("rerun", seed, kinds, (Post(0, "PARENT", 1.0, rerun_at=3.0),), TWO, horizon=SHORT)


def flood(seed: int) -> Scenario:
    """Eighty events of one type at once and three of another behind them: sixteen go to the overflow."""
    kinds = (kind("FLOOD", WorkKind(seconds=(0.1, 0.5))), kind("FEW", WorkKind(seconds=(0.1, 0.5))))
    floods = [Post(number, "FLOOD", 1.0 + number / 1000) for number in range(80)]
    few = [Post(number, "FEW", 1.2) for number in range(80, 83)]
    return Scenario("flood", seed, kinds, (*floods, *few), TWO, most_wait=60.0, horizon=SHORT)


def alerted(seed: int) -> Scenario:
    """Two events of one type fail at about the same time, on two hubs, and one alert tells of both."""
    kinds = (kind("FAILING", WorkKind(seconds=(1, 2), ends=("ERROR",))), kind(FAILED))
    posts = (Post(0, "FAILING", 2.0), Post(1, "FAILING", 2.3))
    return Scenario("alerted", seed, kinds, posts, TWO, hubs=(0.5, -0.5), horizon=SHORT)


def alerted_alone(seed: int) -> Scenario:
    """An event fails in a pool of one, and its alert runs elsewhere."""
    kinds = (kind("FAILING", WorkKind(seconds=(1, 2), ends=("ERROR",))), kind(FAILED, sink_type=OTHER))
    pools = (Pool("sink-a"), Pool("sink-b", sink_type=OTHER))
    return Scenario("alerted alone", seed, kinds, (Post(0, "FAILING", 1.0),), pools, horizon=SHORT)


def alerted_late(seed: int) -> Scenario:
    """An event is past its queue time-out and another is lost for good; alerts fail, and nobody is told of that."""
    kinds = (
        kind("TOO_LATE", queue_timeout_seconds=30, sink_type="SIM:EMPTY"),
        kind("ONCE", WorkKind(seconds=(12, 14)), retry=RetryPolicy(on_lost=OnLost.FAIL)),
        kind(FAILED, WorkKind(ends=("ERROR",))),
    )
    posts = (Post(0, "TOO_LATE", 1.0), Post(1, "ONCE", 1.2), Post(2, "ONCE", 1.4, cancel_at=6.0))
    return Scenario("alerted late", seed, kinds, posts, TWO, hubs=(0.5, -0.5), horizon=SHORT)


def commanded(seed: int) -> Scenario:
    """A sink is told to drain and to resume again and again, each time before all hubs have heard of the last."""
    kinds = (kind("PLAIN", WorkKind(seconds=(0.1, 0.5))),)
    posts = tuple(Post(number, "PLAIN", 1.0 + 3 * number) for number in range(12))
    commands = tuple((2.0 + number, (Command.DRAIN, Command.RESUME)[number % 2]) for number in range(10))
    pools = (Pool("sink-a", capacity=12, commands=commands),)
    return Scenario("commanded", seed, kinds, posts, pools, hubs=(0.5, -0.5, 0.0), horizon=SHORT)


Scene = Callable[[int], Scenario]
SYSTEMATIC: tuple[Scene, ...] = (
    one, chain, retried, cancelled, long, short_lease, once, slotted, too_late, too_long, secret, alerted,
    tick,
)  # fmt: skip
"""Scenes in which every fault is injected at every step in turn."""
PARTICULAR: tuple[Scene, ...] = (
    lonely_chain, once_alone, long_alone, slotted_later, three_slotted, slotted_stall, too_late_and_old,
    too_late_and_among_settled, stubborn, outage, shared_out, forgotten, forgotten_by_halves, wrong_clock,
    away_for_weeks, away_for_a_day, in_ten_days, secret_once, secret_stall, secret_stall_alone,
    rated, rated_and_slotted, three_at_once, rerun, flood,
    alerted_alone, alerted_late, scheduled, scheduled_in_line, commanded,
)  # fmt: skip
"""Scenes made for one question each."""
ALL: Mapping[str, Scene] = {scene.__name__: scene for scene in (*SYSTEMATIC, *PARTICULAR)}
