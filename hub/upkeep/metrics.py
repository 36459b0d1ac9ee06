"""Gathers what the metrics say: this process's counters, and two rows that the timer writes for all.

No list is read, so that a scrape costs the same however much waits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from hub.clock import Clock
from hub.errors import Unavailable
from hub.life.tally import Tally
from hub.model.event import Code
from hub.model.sink import SinkState
from hub.model.stats import BETWEEN, Stats
from hub.model.survey import Pool, Survey
from hub.rules import metrics
from hub.rules.metrics import OTHER, PROCESS, Metric, Sample, Scope, Spread
from hub.storage.ports import Storage
from hub.upkeep.heartbeat import Heartbeat
from hub.upkeep.watch import Watching
from hub.version import VERSION

_CODES: Final = frozenset(each.value for each in Code)
TURNED_AWAY: Final = frozenset({429, 503, 507})


@dataclass(slots=True)
class Requests:
    """Requests that were answered, counted by the shell around every trigger."""

    by_route: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """By route template and class of the status."""
    turned_away: Counter[int] = field(default_factory=Counter)
    """By status."""

    def answered(self, route: str | None, status: int) -> None:
        """One more."""
        self.by_route[route or OTHER, f"{status // 100}xx"] += 1
        if status in TURNED_AWAY:
            self.turned_away[status] += 1


requests: Final = Requests()
"""What this process has answered so far."""


class Metrics:
    """Of one process."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        tally: Tally,
        heartbeat: Heartbeat,
        watching: Watching,
        polls_held: Callable[[], int],
        process: Callable[[], str],
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._tally = tally
        self._heartbeat = heartbeat
        self._watching = watching
        self._polls_held = polls_held
        self._process = process

    async def gather(self) -> list[Sample]:
        """All that is known now. Two operations; where storage does not answer, what this process knows by itself."""
        found = [*self._counted(self._tally.so_far()), *_of_requests(), *self._here()]
        try:
            last, survey = await self._heartbeat.last(), await self._watching.survey()
        except Unavailable:
            last = survey = None
        now = self._clock.now()
        if last is not None:
            found.append(Sample(metrics.HEARTBEAT_AGE, _age(last, now)))
        if survey is not None:
            found += _of_survey(survey, now)
        mine = {PROCESS: self._process()}
        return [
            Sample(each.metric, each.value, {**each.labels, **mine}) if each.metric.scope is Scope.PROCESS else each
            for each in found
        ]

    def _counted(self, stats: Stats) -> Iterator[Sample]:
        yield from _by(metrics.EVENTS_CREATED, {(name,): count for name, count in stats.types.items()})
        ended = {tuple(name.split(BETWEEN)): count for name, count in stats.type_states.items()}
        yield from _by(metrics.EVENTS_FINISHED, ended)
        without = stats.states.get("ERROR", 0) - sum(stats.codes.values())
        codes: Counter[tuple[str, ...]] = Counter({(OTHER,): without} if without else {})
        for code, count in stats.codes.items():
            codes[(code if code in _CODES else OTHER,)] += count
        yield from _by(metrics.FAILURES, codes)
        yield from _by(metrics.ATTEMPTS, {(name,): count for name, count in stats.outcomes.items()})
        yield Sample(metrics.CLAIMS, sum(stats.waits.values()))
        yield Sample(metrics.RENEWALS, self._tally.renewals)
        yield Sample(metrics.WAIT, Spread(stats.waits, self._tally.seconds["waits"]))
        yield Sample(metrics.RUN, Spread(stats.runs, self._tally.seconds["runs"]))
        yield from _by(metrics.STORAGE_OPERATIONS, {(name,): count for name, count in stats.operations.items()})

    def _here(self) -> Iterator[Sample]:
        yield Sample(metrics.POLLS_HELD, self._polls_held())
        yield Sample(metrics.CLOCK_OFFSET, self._storage.clock_offset().total_seconds())
        yield Sample(metrics.BUILD, 1, {"version": VERSION})


def _of_requests() -> Iterator[Sample]:
    yield from _by(metrics.REQUESTS, requests.by_route)
    yield from _by(metrics.TURNED_AWAY, {(str(status),): count for status, count in requests.turned_away.items()})


def _of_survey(survey: Survey, now: datetime) -> Iterator[Sample]:
    yield Sample(metrics.SURVEY_AGE, _age(survey.at, now))
    yield Sample(metrics.SURVEY_WHOLE, int(survey.whole))
    for name, pool in survey.pools.items():
        yield from _of_pool({"sink_type": name}, pool, now)


def _of_pool(label: Mapping[str, str], pool: Pool, now: datetime) -> Iterator[Sample]:
    yield Sample(metrics.QUEUE_DEPTH, pool.waiting, label)
    yield Sample(metrics.OLDEST_WAITING, _age(pool.since, now) if pool.since else 0, label)
    yield Sample(metrics.UNROUTABLE, pool.unroutable, label)
    yield Sample(metrics.RUNNING, pool.running, label)
    yield Sample(metrics.SINKS_LOST, pool.lost, label)
    states = {
        SinkState.ONLINE: pool.online,
        SinkState.DRAINING: pool.draining,
        SinkState.OFFLINE: pool.offline,
    }
    for state, count in states.items():
        yield Sample(metrics.SINKS, count, {**label, "state": state.value})


def _by(metric: Metric, counts: Mapping[tuple[str, ...], int]) -> Iterator[Sample]:
    """A number for each set of labels."""
    for values, count in counts.items():
        yield Sample(metric, count, dict(zip(metric.labels, values, strict=True)))


def _age(at: datetime, now: datetime) -> float:
    return max(0.0, round((now - at).total_seconds(), 3))
