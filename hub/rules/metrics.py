"""Every metric that a hub has: its name, what it counts, and whose it is.

`/api/metrics` and Application Insights have the same. Names and units as Prometheus has them. Labels are bounded: event
types and sink types are configured, routes are in one table; a module's own result codes, and what is asked for under
no route, are counted as `other`. No label holds what a caller said.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


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


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric."""

    name: str
    shape: Shape
    scope: Scope
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    """As OpenTelemetry writes it (UCUM)."""


def _counted(name: str, help_: str, *labels: str, unit: str = "") -> Metric:
    return Metric(name, Shape.COUNTER, Scope.PROCESS, help_, labels, unit)


def _measured(name: str, help_: str) -> Metric:
    return Metric(name, Shape.HISTOGRAM, Scope.PROCESS, help_, (), "s")


def _here(name: str, help_: str, *labels: str, unit: str = "") -> Metric:
    return Metric(name, Shape.GAUGE, Scope.PROCESS, help_, labels, unit)


def _everywhere(name: str, help_: str, *labels: str, unit: str = "") -> Metric:
    return Metric(name, Shape.GAUGE, Scope.HUB, help_, labels, unit)


EVENTS_CREATED: Final = _counted("nexomatic_events_created_total", "Events created", "event_type")
EVENTS_FINISHED: Final = _counted(
    "nexomatic_events_finished_total", "Events that became final, by state", "event_type", "state"
)
FAILURES: Final = _counted(
    "nexomatic_event_failures_total",
    "Events that ended as ERROR, by result code; a module's own codes are `other`",
    "result_code",
)
ATTEMPTS: Final = _counted("nexomatic_attempts_finished_total", "Attempts that ended, by outcome", "outcome")
WAIT: Final = _measured(
    "nexomatic_event_wait_seconds", "From when an event could have run to its claim: the start latency"
)
RUN: Final = _measured("nexomatic_event_run_seconds", "From a claim to the end of its attempt")
REQUESTS: Final = _counted(
    "nexomatic_http_requests_total",
    "Requests answered, by the route's template and the class of the status (2xx, 4xx …)",
    "route",
    "status_class",
)
STORAGE_OPERATIONS: Final = _counted(
    "nexomatic_storage_operations_total", "Storage operations, by kind, as Azure would bill them", "operation"
)
HELD_POLLS: Final = _here("nexomatic_held_polls", "Polls that are held open")
CLOCK_OFFSET: Final = _here(
    "nexomatic_clock_offset_seconds", "Storage's clock minus this process's, as last seen", unit="s"
)
BUILD: Final = _here("nexomatic_build_info", "1; the version is its label", "version")
WAITING: Final = _everywhere(
    "nexomatic_events_waiting", "Events that could run and wait for a sink, by pool: the queue depth", "sink_type"
)
OLDEST_WAITING: Final = _everywhere(
    "nexomatic_events_oldest_waiting_seconds",
    "For how long the oldest of them has waited; 0 where none does",
    "sink_type",
    unit="s",
)
UNROUTABLE: Final = _everywhere(
    "nexomatic_events_unroutable",
    "Events that waited longer than their type's unroutable_after_seconds, in a pool without a sink that is ONLINE",
    "sink_type",
)
RUNNING: Final = _everywhere("nexomatic_events_running", "Events that a sink holds", "sink_type")
SINKS: Final = _everywhere(
    "nexomatic_sinks",
    "Enrolled sinks, by pool and state; a lost sink is OFFLINE (ephemeral ones are removed instead)",
    "sink_type",
    "state",
)
SURVEY_AGE: Final = _everywhere(
    "nexomatic_survey_age_seconds",
    "Since when the numbers of events and sinks are as they are: the timer counts them each minute",
    unit="s",
)
SURVEY_WHOLE: Final = _everywhere(
    "nexomatic_survey_whole", "1; 0 when there were more open events than one step looks at: the counts are at least"
)
HEARTBEAT_AGE: Final = _everywhere(
    "nexomatic_timer_heartbeat_age_seconds", "Since the timer's last step ended; above 180 it has stopped", unit="s"
)

METRICS: Final = (
    EVENTS_CREATED, EVENTS_FINISHED, FAILURES, ATTEMPTS, WAIT, RUN, REQUESTS, STORAGE_OPERATIONS, HELD_POLLS,
    CLOCK_OFFSET, BUILD, WAITING, OLDEST_WAITING, UNROUTABLE, RUNNING, SINKS, SURVEY_AGE, SURVEY_WHOLE, HEARTBEAT_AGE,
)  # fmt: skip

BOUNDS: Final = tuple(
    (bucket, round(10 ** (bucket / 10) / 1000, 6))
    for bucket in (0, 4, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40, 44, 47, 50, 60, 70)
)
"""The histograms' bounds: the last of `rules/histogram.py`'s buckets below each, and the bound in seconds."""
