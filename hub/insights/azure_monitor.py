"""Azure Monitor, by Microsoft's exporter for OpenTelemetry: the one file that knows both SDKs.

Import it only where a connection string is set: it takes most of a second. What the exporter does of its own accord is
switched off: statistics about itself to Microsoft, settings fetched from there, telemetry kept in files.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from hub.model.span import Span
from hub.rules.histogram import middle_of
from hub.rules.metrics import BOUNDS, Sample, Shape, Spread, below_bounds
from hub.version import VERSION

SWITCHED_OFF: Final[Mapping[str, str]] = {
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
    "APPLICATIONINSIGHTS_OPENTELEMETRY_RESOURCE_METRIC_DISABLED": "true",
}
"""The exporter hears of these from the environment alone."""
os.environ.update(SWITCHED_OFF)

from azure.monitor.opentelemetry.exporter import (  # noqa: E402 - it reads them when it is imported
    AzureMonitorMetricExporter,
    AzureMonitorTraceExporter,
)
from opentelemetry.sdk.metrics import export as otel  # noqa: E402
from opentelemetry.sdk.resources import Resource  # noqa: E402
from opentelemetry.sdk.trace import ReadableSpan  # noqa: E402
from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: E402
from opentelemetry.sdk.util.instrumentation import InstrumentationScope  # noqa: E402
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags  # noqa: E402
from opentelemetry.trace.status import Status, StatusCode  # noqa: E402

SERVICE: Final = "nexomatic"
_SCOPE: Final = InstrumentationScope("nexomatic", VERSION)


class AzureMonitor:
    """Sends to one component of Application Insights. Of each call it says only whether all was taken."""

    def __init__(self, connection_string: str, process: str, **options: Any) -> None:
        """`process` tells this one from the others. `options` are the SDK's."""
        logging.getLogger("azure.monitor").setLevel(logging.CRITICAL)  # the caller says it, once
        wanted: dict[str, Any] = {
            "connection_string": connection_string,
            "disable_offline_storage": True,
            "retry_total": 1,
            **options,
        }
        self._traces = AzureMonitorTraceExporter(**wanted)
        self._metrics = AzureMonitorMetricExporter(**wanted)
        self._resource = Resource({"service.name": SERVICE, "service.instance.id": process, "service.version": VERSION})
        self._began = time.time_ns()

    def spans(self, spans: Sequence[Span]) -> bool:
        """Send them."""
        return self._traces.export([self._readable(each) for each in spans]) is SpanExportResult.SUCCESS

    def samples(self, samples: Sequence[Sample]) -> bool:
        """Send by how much they have grown, or what they are."""
        if not samples:
            return True
        began, now = self._began, time.time_ns()
        metrics = [
            otel.Metric(each.metric.name, each.metric.help, each.metric.unit, _data(each, began, now))
            for each in samples
        ]
        scoped = otel.ScopeMetrics(_SCOPE, metrics, "")
        data = otel.MetricsData([otel.ResourceMetrics(self._resource, [scoped], "")])
        taken = self._metrics.export(data) is otel.MetricExportResult.SUCCESS
        if taken:
            self._began = now
        return taken

    def _readable(self, span: Span) -> ReadableSpan:
        return ReadableSpan(
            name=span.name,
            context=_context(span.trace_id, span.span_id),
            parent=_context(span.trace_id, span.parent_id) if span.parent_id is not None else None,
            resource=self._resource,
            attributes=span.attributes,
            kind=SpanKind.INTERNAL,  # the host tells of requests already: these are what happened inside
            status=Status(StatusCode.ERROR if span.failed else StatusCode.OK),
            start_time=_nanoseconds(span.began),
            end_time=_nanoseconds(span.ended),
            instrumentation_scope=_SCOPE,
        )


def _data(sample: Sample, began: int, now: int) -> Any:
    labels = dict(sample.labels)
    if isinstance(sample.value, Spread):
        return otel.Histogram([_histogram(sample.value, labels, began, now)], otel.AggregationTemporality.DELTA)
    point = otel.NumberDataPoint(labels, began, now, sample.value)
    if sample.metric.shape is Shape.COUNTER:
        return otel.Sum([point], otel.AggregationTemporality.DELTA, is_monotonic=True)
    return otel.Gauge([point])


def _histogram(spread: Spread, labels: Mapping[str, str], began: int, now: int) -> otel.HistogramDataPoint:
    below = below_bounds(spread)
    counts = [after - before for before, after in zip([0, *below], below, strict=False)]
    seen = [bucket for bucket, count in spread.buckets.items() if count]
    return otel.HistogramDataPoint(
        attributes=labels,
        start_time_unix_nano=began,
        time_unix_nano=now,
        count=below[-1],
        sum=spread.sum,
        bucket_counts=counts,
        explicit_bounds=[bound for _, bound in BOUNDS],
        min=middle_of(min(seen)),
        max=middle_of(max(seen)),
    )


def _context(trace_id: str, span_id: str) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000
