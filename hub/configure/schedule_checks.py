"""What a schedule must say beyond its shape, checked when it is saved. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from hub.errors import FieldError, Invalid
from hub.model.configuration import ScheduleSource
from hub.rules import cron, strict_json, zones

_ONE_OF: Final = "say either cron, for times that come again, or at, for one time"


def check_schedule(document: ScheduleSource) -> Iterator[FieldError]:
    """What is wrong with it."""
    if document.cron is None and document.at is None:
        yield FieldError("cron", f"is missing: {_ONE_OF}")
    elif document.cron is not None and document.at is not None:
        yield FieldError("at", f"stands beside cron: {_ONE_OF}")
    if document.at is not None and document.at.tzinfo is None:
        yield FieldError("at", "needs its offset from UTC, such as 2030-01-01T00:00:00Z")
    if document.cron is not None:
        yield from _tried("cron", cron.parse, document.cron)
    yield from _tried("timezone", zones.zone, document.timezone)


def check_payload(document: ScheduleSource, max_payload: int) -> None:
    """Raises `Invalid` when its events' payload is larger than any may be."""
    size = len(strict_json.write(document.payload))
    if size > max_payload:
        what = f"is {size} bytes as JSON; a payload has at most {max_payload}"
        raise Invalid(f"the request was refused: payload {what}", [FieldError("payload", what)])


def _tried(field: str, parse: Callable[[str], object], said: str) -> Iterator[FieldError]:
    try:
        parse(said)
    except Invalid as error:
        yield FieldError(field, str(error))
