"""`/api/stats`: what happened, by state, event type, source and sink; how long events waited and ran; what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter, Query

from hub.api.moments import Moment
from hub.api.security import Desk, GuardedRoute
from hub.api.views import Time, View
from hub.errors import FieldError, Invalid
from hub.model.event import State
from hub.model.stats import BETWEEN, Counts, Histogram, Stats
from hub.rules.adding_up import added
from hub.rules.histogram import percentile
from hub.rules.prices import estimated_cost
from hub.upkeep.stats import MOST_DAYS, in_steps

router = APIRouter(route_class=GuardedRoute, tags=["stats"])

DEFAULT_HOURS: Final = 24
FINAL: Final = (State.SUCCESS, State.WARNING, State.ERROR)


class Step(StrEnum):
    """How finely the series is cut. Hours that were rolled have no minutes any more."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


_SECONDS: Final[Mapping[Step, int]] = {Step.MINUTE: 60, Step.HOUR: 3600, Step.DAY: 86_400}
_MOST_STEPS: Final = 2500


class Durations(View):
    """Seconds; null where nothing was measured. Each is at most an eighth away from the true one."""

    p50: float | None
    p90: float | None
    p99: float | None

    @classmethod
    def of(cls, histogram: Histogram) -> Durations:
        p50, p90, p99 = (percentile(histogram, share) for share in (0.5, 0.9, 0.99))
        return cls(p50=p50, p90=p90, p99=p99)


class Ends(View):
    """How many events ended, by state."""

    SUCCESS: int
    WARNING: int
    ERROR: int


class TypeStats(View):
    event_type: str
    fired: int
    ended: Ends


class SourceStats(View):
    source_kind: str
    source: str | None
    fired: int


class SinkStats(View):
    sink: str
    ended: Ends


class StorageStats(View):
    operations: dict[str, int]
    total: int
    estimated_cost: float
    """US dollars at Azure's list prices; on the embedded engine what it would cost there."""


class Point(View):
    """One step of the series. Steps in which nothing happened are left out."""

    at: Time
    fired: int
    ended: Ends
    wait: Durations
    """Seconds from when an event could have run to its claim."""
    run: Durations
    """Seconds from a claim to the end of its attempt."""


class Figures(View):
    fired: int
    ended: Ends
    wait: Durations
    run: Durations
    event_types: list[TypeStats]
    sources: list[SourceStats]
    sinks: list[SinkStats]
    codes: dict[str, int]
    """Events that ended as ERROR, by result code."""
    outcomes: dict[str, int]
    """Attempts that ended, by how."""
    storage: StorageStats


class StatsView(View):
    begin: Time
    end: Time
    step: Step
    total: Figures
    series: list[Point]


@router.get("/api/stats")
async def stats(
    desk: Desk,
    begin: Annotated[Moment | None, Query(alias="from", description="Begin; 24 hours ago unless given")] = None,
    end: Annotated[Moment | None, Query(alias="to", description="End; now unless given")] = None,
    step: Step = Step.HOUR,
) -> StatsView:
    """What was counted in a time, as a whole and in steps. The newest minute is still being counted."""
    until = end or desk.clock.now()
    since = begin or until - timedelta(hours=DEFAULT_HOURS)
    _check(since, until, step)
    seconds = _SECONDS[step]
    first = datetime.fromtimestamp(since.timestamp() // seconds * seconds, UTC)
    stretches = await desk.stats.read(first, until)
    series = in_steps(stretches, timedelta(seconds=seconds), first)
    return StatsView(
        begin=first,
        end=until,
        step=step,
        total=_figures(added(each.stats for each in stretches)),
        series=[_point(at, added(some)) for at, some in sorted(series.items())],
    )


def _check(begin: datetime, end: datetime, step: Step) -> None:
    problems = [
        FieldError(name, "needs a time zone, such as Z at its end")
        for name, at in (("from", begin), ("to", end))
        if at.tzinfo is None
    ]
    if not problems and begin >= end:
        problems.append(FieldError("from", "must be before `to`"))
    elif not problems and end - begin > timedelta(days=MOST_DAYS):
        problems.append(FieldError("from", f"must be at most {MOST_DAYS} days before `to`"))
    elif not problems and (end - begin).total_seconds() / _SECONDS[step] > _MOST_STEPS:
        problems.append(FieldError("step", f"would make more than {_MOST_STEPS} steps: choose a longer one"))
    if problems:
        raise Invalid("; ".join(f"{each.field} {each.message}" for each in problems), problems)


def _figures(counted: Stats) -> Figures:
    return Figures(
        fired=sum(counted.types.values()),
        ended=_ends(counted.states),
        wait=Durations.of(counted.waits),
        run=Durations.of(counted.runs),
        event_types=[
            TypeStats(event_type=name, fired=counted.types.get(name, 0), ended=ends)
            for name, ends in _ends_by(counted.type_states, counted.types).items()
        ],
        sources=[_source(pair, fired) for pair, fired in _largest(counted.sources)],
        sinks=[SinkStats(sink=name, ended=ends) for name, ends in _ends_by(counted.sink_states).items()],
        codes=dict(_largest(counted.codes)),
        outcomes=dict(_largest(counted.outcomes)),
        storage=StorageStats(
            operations=dict(sorted(counted.operations.items())),
            total=sum(counted.operations.values()),
            estimated_cost=estimated_cost(counted.operations),
        ),
    )


def _point(at: datetime, counted: Stats) -> Point:
    return Point(
        at=at,
        fired=sum(counted.types.values()),
        ended=_ends(counted.states),
        wait=Durations.of(counted.waits),
        run=Durations.of(counted.runs),
    )


def _ends(states: Counts) -> Ends:
    return Ends(**{state.value: states.get(state.value, 0) for state in FINAL})


def _ends_by(pairs: Counts, names: Iterable[str] = ()) -> dict[str, Ends]:
    """By the first name of each pair, in order; with those of `names` that have no pair."""
    by_name: dict[str, dict[str, int]] = {name: {} for name in names}
    for pair, count in pairs.items():
        name, _, state = pair.partition(BETWEEN)
        by_name.setdefault(name, {})[state] = count
    return {name: _ends(by_name[name]) for name in sorted(by_name)}


def _source(pair: str, fired: int) -> SourceStats:
    name, _, kind = pair.partition(BETWEEN)
    return SourceStats(source_kind=kind, source=name or None, fired=fired)


def _largest(counts: Counts) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))
