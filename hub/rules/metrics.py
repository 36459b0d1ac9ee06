"""Every metric that a hub has: its name, what it counts, and whose it is. Pure.

Labels are bounded: event types and sink types are configured, routes are in one table; a module's own result codes, and
what is asked for under no route, count as `other`. No label holds what a caller said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from hub.rules.histogram import LAST_BUCKET, PER_DECADE


class Shape(StrEnum):
    """How a metric behaves."""

    COUNTER = "counter"
    """Only ever grows, from the start of a process."""
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Scope(StrEnum):
    """Whose number it is."""

    PROCESS = "process"
    """Of the process that answers: add up those of all processes (they have the label `process`)."""
    HUB = "hub"
    """Of the whole hub, whoever answers: take the greatest, never the sum."""


OTHER: Final = "other"
"""In place of a label's value that would not be bounded."""
PROCESS: Final = "process"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric."""

    name: str
    """As OpenTelemetry writes it."""
    shape: Shape
    scope: Scope
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    """`s`, or nothing."""

    @property
    def exposed(self) -> str:
        """Its name as Prometheus writes it."""
        unit = {"s": "_seconds", "": ""}[self.unit]
        return self.name.replace(".", "_") + unit + ("_total" if self.shape is Shape.COUNTER else "")


@dataclass(frozen=True, slots=True)
class Spread:
    """What a histogram has counted."""

    buckets: Mapping[int, int]
    """As in `rules/histogram.py`."""
    sum: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of a metric, or one histogram."""

    metric: Metric
    value: float | Spread
    labels: Mapping[str, str] = field(default_factory=dict)


def _counted(name: str, help_: str, *labels: str) -> Metric:
    return Metric(f"nexomatic.{name}", Shape.COUNTER, Scope.PROCESS, help_, labels)


def _measured(name: str, help_: str) -> Metric:
    return Metric(f"nexomatic.{name}", Shape.HISTOGRAM, Scope.PROCESS, help_, (), "s")


def _here(name: str, help_: str, *labels: str, unit: str = "") -> Metric:
    return Metric(f"nexomatic.{name}", Shape.GAUGE, Scope.PROCESS, help_, labels, unit)


def _everywhere(name: str, help_: str, *labels: str, unit: str = "") -> Metric:
    return Metric(f"nexomatic.{name}", Shape.GAUGE, Scope.HUB, help_, labels, unit)


EVENTS_CREATED: Final = _counted("events.created", "Events created", "event_type")
EVENTS_FINISHED: Final = _counted("events.finished", "Events that became final, by state", "event_type", "state")
FAILURES: Final = _counted(
    "events.failures", "Events that ended as ERROR, by result code; a module's own codes are `other`", "result_code"
)
ATTEMPTS: Final = _counted("attempts.finished", "Attempts that ended, by outcome", "outcome")
CLAIMS: Final = _counted("claims", "Attempts that began")
RENEWALS: Final = _counted("renewals", "Leases that went on")
WAIT: Final = _measured("event.wait", "From when an event could have run to its claim: the start latency")
RUN: Final = _measured("event.run", "From a claim to the end of its attempt: the completion latency")
REQUESTS: Final = _counted(
    "http.requests", "Requests answered, by the route's template and the class of the status", "route", "status_class"
)
TURNED_AWAY: Final = _counted("http.turned_away", "Requests answered 429, 503 or 507", "status")
STORAGE_OPERATIONS: Final = _counted(
    "storage.operations", "Storage operations, by kind, as Azure would bill them", "operation"
)
POLLS_HELD: Final = _here("polls.held", "Polls that are held open")
CLOCK_OFFSET: Final = _here("clock.offset", "Storage's clock minus this process's, as last seen", unit="s")
BUILD: Final = _here("build.info", "1; the version is its label", "version")
QUEUE_DEPTH: Final = _everywhere("queue.depth", "Events that could run and wait for a sink, by pool", "sink_type")
OLDEST_WAITING: Final = _everywhere(
    "events.oldest_waiting", "For how long the oldest of them has waited; 0 where none does", "sink_type", unit="s"
)
UNROUTABLE: Final = _everywhere(
    "events.unroutable",
    "Events that waited longer than their type's unroutable_after_seconds, with no sink there that could run them",
    "sink_type",
)
RUNNING: Final = _everywhere("events.running", "Events that a sink holds", "sink_type")
SINKS: Final = _everywhere("sinks", "Enrolled sinks, by pool and state", "sink_type", "state")
SINKS_LOST: Final = _everywhere(
    "sinks.lost",
    "Sinks that are OFFLINE and did not say that they go; ephemeral and removed ones are none",
    "sink_type",
)
SURVEY_AGE: Final = _everywhere(
    "survey.age", "Since when events and sinks by pool are as they are: they are counted each minute", unit="s"
)
SURVEY_WHOLE: Final = _everywhere(
    "survey.whole", "1; 0 when there were more open events than one step looks at: there are at least so many"
)
HEARTBEAT_AGE: Final = _everywhere(
    "heartbeat.age", "Since the timer's last step ended; above 180 it has stopped", unit="s"
)

METRICS: Final = (
    EVENTS_CREATED, EVENTS_FINISHED, FAILURES, ATTEMPTS, CLAIMS, RENEWALS, WAIT, RUN, REQUESTS, TURNED_AWAY,
    STORAGE_OPERATIONS, POLLS_HELD, CLOCK_OFFSET, BUILD, QUEUE_DEPTH, OLDEST_WAITING, UNROUTABLE, RUNNING, SINKS,
    SINKS_LOST, SURVEY_AGE, SURVEY_WHOLE, HEARTBEAT_AGE,
)  # fmt: skip

BOUNDS: Final = tuple(
    (bucket, float(f"{10 ** (bucket / PER_DECADE) / 1000:.6g}"))
    for bucket in (0, 4, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40, 44, 47, 50, 60, 70)
)
"""The histograms' bounds: the last bucket of `rules/histogram.py` below each, and the bound in seconds."""


def below_bounds(spread: Spread) -> list[int]:
    """How many values lie up to each bound, and how many there are."""
    buckets = [bucket for bucket, _ in BOUNDS] + [LAST_BUCKET]
    return [sum(count for each, count in spread.buckets.items() if each <= bucket) for bucket in buckets]
