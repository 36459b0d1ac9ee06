"""Scenarios and plans of faults drawn from a seed: a mix of everything, small enough that thousands can be run."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hub.model.configuration import OnLost, RetryPolicy
from hub.model.sink import Command
from tests.simulation.faults import Drawn, Fault, Layer, Outage, Plan
from tests.simulation.scenario import FAILED, Kind, Pool, Post, Scenario, WorkKind, kind

TROUBLE_SECONDS = 60.0
"""Faults stop after so long, so that every run has an end."""
CHILD = kind("CHILD", WorkKind(seconds=(0.2, 2.0)))
ALERT = kind(FAILED, WorkKind(seconds=(0.2, 2.0), ends=("SUCCESS", "ERROR")))


def drawn(seed: int) -> tuple[Scenario, Plan]:
    """The scenario and the faults of this seed."""
    rng = Random(f"drawn/{seed}")
    kinds = [draw(rng) for draw in rng.sample(KINDS, rng.randint(1, 3))]
    pools = [_pool(rng, f"sink-{index}") for index in range(rng.choice((1, 2, 2)))]
    posts = [_post(rng, number, rng.choice(kinds).name) for number in range(rng.randint(1, 5))]
    # Drawn apart, so that all else is as it is without alerts.
    alerts = (ALERT,) if Random(f"alerts/{seed}").random() < 0.3 else ()
    commanded = Random(f"commands/{seed}")
    if commanded.random() < 0.15:
        pools[0] = replace(pools[0], commands=_commands(commanded))
    scenario = Scenario(
        name="drawn",
        seed=seed,
        kinds=(*kinds, CHILD, *alerts),
        posts=tuple(posts),
        pools=tuple(pools),
        hubs=tuple(rng.uniform(-1.9, 1.9) for _ in range(rng.choice((1, 2, 2, 3)))),
        outages=_outages(rng),
    )
    return scenario, _faults(rng)


def _plain(rng: Random) -> Kind:
    return kind("PLAIN", WorkKind(seconds=(0.1, 3.0), ends=("SUCCESS", "WARNING")))


def _parent(rng: Random) -> Kind:
    edges = {"on_success": "CHILD", "on_failure": "CHILD", "on_warning": "CHILD"}
    return kind("PARENT", WorkKind(seconds=(0.1, 14.0), ends=("SUCCESS", "SUCCESS", "WARNING", "ERROR")), edges=edges)


def _retried(rng: Random) -> Kind:
    retry = RetryPolicy(max_attempts=rng.randint(2, 3), backoff_seconds=rng.choice((0, 3, 20)), factor=2)
    work = WorkKind(seconds=(0.1, 5.0), ends=("ERROR", "ERROR", "SUCCESS"))
    return kind("RETRIED", work, retry=retry, edges={"on_failure": "CHILD"})


def _long(rng: Random) -> Kind:
    lease = rng.choice((None, 10, 60))
    return kind(
        "LONG", WorkKind(seconds=(20.0, 50.0), log_bytes=(0, 500, 45_000, 130_000)), lease_seconds=lease,
        retry=RetryPolicy(max_lost=rng.choice((1, 3))),
    )  # fmt: skip


def _once(rng: Random) -> Kind:
    edges = {"on_failure": "CHILD"}
    return kind("ONCE", WorkKind(seconds=(1.0, 15.0)), retry=RetryPolicy(on_lost=OnLost.FAIL), edges=edges)


def _slotted(rng: Random) -> Kind:
    return kind("SLOTTED", WorkKind(seconds=(1.0, 14.0)), max_running=rng.choice((1, 1, 2)))


def _too_late(rng: Random) -> Kind:
    return kind("TOO_LATE", WorkKind(seconds=(0.1, 2.0)), queue_timeout_seconds=20, edges={"on_failure": "CHILD"})


def _too_long(rng: Random) -> Kind:
    retry = RetryPolicy(max_attempts=rng.randint(1, 2), backoff_seconds=2)
    return kind("TOO_LONG", WorkKind(seconds=(5.0, 200.0)), timeout_seconds=10, retry=retry)


def _secret(rng: Random) -> Kind:
    retry = RetryPolicy(on_lost=rng.choice((OnLost.FAIL, OnLost.REQUEUE)))
    secrets = rng.choice((("token",), ("token", "key")))
    return kind(
        "SECRET", WorkKind(seconds=(1.0, 20.0)), retry=retry, lease_seconds=rng.choice((None, 10)), secrets=secrets
    )


def _rated(rng: Random) -> Kind:
    return kind(
        "RATED", WorkKind(seconds=(0.1, 3.0)), rate_per_minute=rng.choice((1, 2, 6)), max_running=rng.choice((None, 1))
    )


KINDS = (_plain, _parent, _retried, _long, _once, _slotted, _too_late, _too_long, _secret, _rated)


def _pool(rng: Random, name: str) -> Pool:
    stalls = ((rng.uniform(3, 15), rng.uniform(10, 70)),) if rng.random() < 0.15 else ()
    drains = ((rng.uniform(3, 20), rng.random() < 0.7),) if rng.random() < 0.15 else ()
    return Pool(
        name,
        capacity=rng.choice((1, 2, 12, 12, 12)),
        begins=rng.choice((0.0, 0.0, rng.uniform(0, 30))),
        stalls=stalls,
        drains=drains,
    )


def _commands(rng: Random) -> tuple[tuple[float, Command], ...]:
    at = sorted(rng.choice((0.5, 2, 8, 25)) * rng.random() for _ in range(3))
    told = rng.choice(
        (
            (Command.DRAIN, Command.RESUME),
            (Command.RESTART,),
            (Command.RESTART, Command.RESTART),
            (Command.DRAIN, Command.RESTART, Command.RESUME),
        )
    )
    return tuple(zip(at, told, strict=False))


def _post(rng: Random, number: int, name: str) -> Post:
    at = rng.uniform(0.5, 8.0)
    return Post(
        number=number,
        kind=name,
        at=at,
        not_before=at + rng.uniform(1, 30) if rng.random() < 0.15 else None,
        cancel_at=at + rng.choice((0.1, 1.0, 5.0, 20.0)) * rng.random() if rng.random() < 0.2 else None,
        watched_at=at + rng.uniform(0, 20) if rng.random() < 0.2 else None,
        rerun_at=at + rng.uniform(0, 10) if rng.random() < 0.1 else None,
        payload_bytes=60_000 if rng.random() < 0.05 else 0,
    )


def _outages(rng: Random) -> tuple[Outage, ...]:
    if rng.random() > 0.15:
        return ()
    begins = rng.uniform(2, 20)
    return (
        Outage(begins, begins + rng.choice((5, 20, 60)) * rng.random(), rng.choice((Layer.STORAGE, Layer.NETWORK))),
    )


def _faults(rng: Random) -> Plan:
    harmless = rng.random() < 0.05
    kinds = [fault for fault in Fault if fault is not Fault.NONE]
    if rng.random() < 0.3:
        kinds = rng.sample(kinds, 3)
    # An agent that never comes back would leave a pool of one empty.
    kinds = [fault for fault in kinds if fault not in (Fault.GONE_BEFORE, Fault.GONE_AFTER)]
    return Drawn(
        rng=Random(rng.random()),
        chance=rng.choice((0.01, 0.03, 0.1)),
        budget=0 if harmless else rng.randint(1, 8),
        until=TROUBLE_SECONDS,
        kinds=kinds,
        weights={Layer.STORAGE: 1.0, Layer.NETWORK: rng.choice((0.3, 1.0)), Layer.AGENT: rng.choice((0.3, 1.0))},
    )
