"""One stretch of a trace. It says which event, type and sink, and never what was sent, returned or configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Span:
    """As W3C trace context and OpenTelemetry have it; ids are hexadecimal."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    began: datetime
    ended: datetime
    attributes: Mapping[str, str | int]
    failed: bool = False
