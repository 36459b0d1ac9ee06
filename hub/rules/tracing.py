"""W3C trace context (https://www.w3.org/TR/trace-context/) and correlation ids. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_CORRELATION = re.compile(r"[\x21-\x7e]{1,128}")


def traceparent_of(headers: Mapping[str, str], randomness: int) -> str:
    """The caller's trace context if it is valid, else a new one from 192 or fewer random bits."""
    given = headers.get("traceparent", "")
    if _TRACEPARENT.fullmatch(given):
        return given
    return f"00-{randomness >> 64 & (1 << 128) - 1 | 1:032x}-{randomness & (1 << 64) - 1 | 1:016x}-01"


def correlation_id_of(headers: Mapping[str, str]) -> str | None:
    """The caller's own id for the request: `x-correlation-id`, else `x-request-id`, if it is printable and short."""
    for name in ("x-correlation-id", "x-request-id"):
        given = headers.get(name, "")
        if _CORRELATION.fullmatch(given):
            return given
    return None
