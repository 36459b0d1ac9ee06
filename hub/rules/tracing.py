"""W3C trace context (https://www.w3.org/TR/trace-context/) and correlation ids. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_CORRELATION = re.compile(r"[\x21-\x7e]{1,128}")


def traceparent_of(headers: Mapping[str, str], randomness: int) -> str:
    """The caller's trace context if it is valid, else a new one from 192 or fewer random bits."""
    given = headers.get("traceparent", "")
    if _TRACEPARENT.fullmatch(given):
        return given
    return f"00-{randomness >> 64 & (1 << 128) - 1 | 1:032x}-{randomness & (1 << 64) - 1 | 1:016x}-01"


@dataclass(frozen=True, slots=True)
class Trace:
    """What a `traceparent` says."""

    trace_id: str
    span_id: str
    sampled: bool
    """Whether the caller, who began the trace, wants it recorded."""


def trace_of(traceparent: str | None) -> Trace | None:
    """What it says, if it is valid."""
    if traceparent is None or not _TRACEPARENT.fullmatch(traceparent):
        return None
    _, trace_id, span_id, flags = traceparent.split("-")
    return Trace(trace_id, span_id, sampled=bool(int(flags, 16) & 1))


def span_id_of(kind: str, name: str) -> str:
    """The same for the same: what is told twice is one span, and who is told of it need not be told its id."""
    found = hashlib.sha256(f"{kind}:{name}".encode()).hexdigest()[:16]
    return found if int(found, 16) else "0" * 15 + "1"


def run_span_of(claim_id: str) -> str:
    """The span of one attempt."""
    return span_id_of("run", claim_id)


def inside(traceparent: str | None, span_id: str) -> str | None:
    """The same trace, for what happens inside this span of it."""
    trace = trace_of(traceparent)
    if trace is None:
        return traceparent
    return f"00-{trace.trace_id}-{span_id}-{'01' if trace.sampled else '00'}"


def correlation_id_of(headers: Mapping[str, str]) -> str | None:
    """The caller's own id for the request: `x-correlation-id`, else `x-request-id`, if it is printable and short."""
    for name in ("x-correlation-id", "x-request-id"):
        given = headers.get(name, "")
        if _CORRELATION.fullmatch(given):
            return given
    return None
