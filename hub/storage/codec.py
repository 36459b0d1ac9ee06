"""Events as rows, messages as text: the only place that knows column names.

Times are text in UTC with milliseconds, which sorts as it reads. An empty text means "nothing": a merge cannot remove
a column. Each attempt has two columns, its beginning (written by the claim) and its ending (merged by whoever ends
it), so that an attempt can be ended without reading the others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from hub.errors import NexomaticError
from hub.model.configuration import SourceKind
from hub.model.event import Attempt, Content, Event, Outcome, Run, State
from hub.rules import formats
from hub.rules.lifecycle import KEPT_ATTEMPTS, Changes, Ending
from hub.storage.keys import EVENTS
from hub.storage.ports import Value, Values

FORMAT = 1
"""Grows when a row, or a message, is written in a way the release before cannot read."""
_written = formats.FIRST
"""The level in force, as this process last heard. One for all: a process serves one database."""
MESSAGES: Final = "messages"
"""What the messages of queues are called beside the names of tables."""

OPEN = "open"
"""True until the event is settled: what upkeep asks for, so that it reads no others."""
UNANNOUNCED = "unannounced"
"""True on a final row until the topic that listens has been told."""
SILENT = "silent"
"""True on the row of an alert of the hub, and of what it led to."""
LOG_TAIL = "log_tail"
"""The column for the last log chunk, which rides on the completion."""
_TEXT = (
    "event_type",
    "sink_type",
    "queue",
    "source",
    "sink",
    "claim_id",
    "on_success",
    "on_warning",
    "on_failure",
    "result_code",
    "result_message",
    "owes",
    "owes_event_type",
    "follow_on",
    "follow_on_skipped",
    "alert",
    "parent_id",
    "root_id",
    "traceparent",
    "correlation_id",
    "receipt_id",
    "receipt_of",
    "replay_of",
    "schedule",
    "previous",
    "rerun_of",
    "reruns",
)
_BYTES = ("receipt", "static", "recorded")
_TIMES = (
    "created_at",
    "not_before",
    "lease_until",
    "run_until",
    "started_at",
    "finished_at",
    "watched_until",
)
_PLAIN = ("attempt", "failures", "lost", "confirmed", "confirm", "depth", "hints")
_AS_STORED = ("id", *_TEXT, *_BYTES, *_PLAIN)
_CONTENTS = ("payload", "result_data", "receipt_body")


class UnknownFormat(NexomaticError):
    """This was written by a newer release than this one."""


def text_of_time(at: datetime) -> str:
    """`2026-11-23T22:46:00.123Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_of_text(text: str) -> datetime:
    """The moment that `text_of_time` wrote."""
    return datetime.fromisoformat(text)


def encode_event(event: Event) -> dict[str, Value]:
    """All columns of an event's row."""
    columns: dict[str, Value] = {
        "format": written(),
        "id": event.id,
        "state": event.state.value,
        OPEN: not event.settled,
        "source_kind": event.source_kind.value,
    }
    for name in (*_TEXT, *_BYTES, *_TIMES, *_PLAIN, *_CONTENTS):
        value = getattr(event, name)
        if value is not None:
            columns.update(_column(name, value))
    if event.unannounced:
        columns[UNANNOUNCED] = True
    if event.silent:
        columns[SILENT] = True
    for attempt in event.attempts:
        columns[_slot("begun", attempt.number)] = _begun(attempt)
        if attempt.outcome is not None:
            columns[_slot("ended", attempt.number)] = _ended_json(attempt)
    return columns


def encode_changes(changes: Changes) -> dict[str, Value]:
    """The columns that a move writes."""
    columns: dict[str, Value] = {}
    for name, value in changes.items():
        if name == "ending":
            continue
        columns.update({name: ""} if value is None else _column(name, value))
    if "ending" in changes:
        ending = changes["ending"]
        columns[_slot("ended", ending.number)] = _ended_json(ending)
    if "state" in changes:
        columns[OPEN] = not changes["state"].final or changes.get("owes") is not None
    elif "owes" in changes:
        columns[OPEN] = changes["owes"] is not None  # only final rows owe: once it is cleared, they are settled
    return columns


def decode_event(values: Values) -> Event:
    """The event a row holds. Raises `UnknownFormat`."""
    check_format(EVENTS, values.get("format"))
    fields: dict[str, Any] = {name: values[name] for name in _AS_STORED if values.get(name, "") != ""}
    for name in _TIMES:
        if values.get(name, "") != "":
            fields[name] = time_of_text(str(values[name]))
    for name in _CONTENTS:
        content = content_of(name, values)
        if content is not None:
            fields[name] = content
    return Event.model_construct(
        **fields,
        state=State(str(values["state"])),
        source_kind=SourceKind(str(values["source_kind"])),
        unannounced=values.get(UNANNOUNCED) is True,
        silent=values.get(SILENT) is True,
        attempts=_attempts(values),
    )


def written() -> int:
    """The format in which rows and messages are written now: the level in force."""
    return _written


def write_as(level: int) -> None:
    """This level is in force, as the database says."""
    global _written
    _written = level


def reads(number: object) -> bool:
    """Whether this release can read it."""
    return formats.is_read(number, FORMAT)


def check_format(kind: str, number: object, newest: int | None = None) -> None:
    """Raises `UnknownFormat` unless this release can read it. `kind`: of which table, or what else it is.

    `newest`: of a kind that has a number of its own.
    """
    newest = FORMAT if newest is None else newest
    if not formats.is_read(number, newest):
        raise UnknownFormat(f"{kind}: format {number} is not known to this release, which reads 1 to {newest}")


def check_format_if_numbered(kind: str, values: Mapping[str, Value]) -> None:
    """The same for kinds of rows whose first ones had no number: those are of format 1. Raises `UnknownFormat`."""
    check_format(kind, values.get("format", 1))


@dataclass(frozen=True, slots=True)
class Hint:
    """What a queue message says: look at this event."""

    event_id: str
    seen_claim: str = ""
    """The claim whose lease somebody has already found expired once."""


def encode_hint(hint: Hint) -> str:
    number = written()
    return json.dumps({"format": number, **_HINT_WRITERS[number](hint)}, separators=(",", ":"))


def decode_hint(body: str) -> Hint:
    """Raises `UnknownFormat`, or ValueError for what is no hint at all."""
    document = json.loads(body)
    if not isinstance(document, dict) or "format" not in document:
        raise ValueError("the message is not a hint")
    # Before anything else of it: what is not known is left to who knows it, and not dropped.
    check_format(MESSAGES, document["format"])
    return _HINT_READERS[document["format"]](document)


def _hint_1(hint: Hint) -> dict[str, object]:
    body: dict[str, object] = {"id": hint.event_id}
    if hint.seen_claim:
        body["seen_claim"] = hint.seen_claim
    return body


def _hint_from_1(document: Mapping[str, Any]) -> Hint:
    if not isinstance(document.get("id"), str):
        raise ValueError("the message is not a hint")
    return Hint(document["id"], str(document.get("seen_claim", "")))


_HINT_WRITERS: Final[dict[int, Callable[[Hint], dict[str, object]]]] = {1: _hint_1}
_HINT_READERS: Final[dict[int, Callable[[Mapping[str, Any]], Hint]]] = {1: _hint_from_1}
"""By format: another one goes beside those that are still read."""


def _column(name: str, value: object) -> Mapping[str, Value]:
    if isinstance(value, datetime):
        return {name: text_of_time(value)}
    if isinstance(value, Content):
        return content_columns(name, value)
    if isinstance(value, State):
        return {name: value.value}
    if isinstance(value, str | int | bool | bytes):
        return {name: value}
    raise TypeError(f"{name} has no column for a {type(value).__name__}")


def content_columns(name: str, content: Content) -> Mapping[str, Value]:
    """The columns of a content.

    All of them every time: a merge must not leave the blob of an older result beside new inline data.
    """
    return {name: content.inline or b"", f"{name}_blob": content.blob or "", f"{name}_size": content.size}


def content_of(name: str, values: Values) -> Content | None:
    """The content that these columns hold; None: there is none."""
    size = values.get(f"{name}_size")
    if not isinstance(size, int):
        return None
    blob = str(values.get(f"{name}_blob", ""))
    inline = values.get(name, b"")
    return Content.model_construct(
        size=size, blob=blob or None, inline=inline if not blob and isinstance(inline, bytes) else None
    )


def _slot(kind: str, number: int) -> str:
    return f"{kind}_{number % KEPT_ATTEMPTS:02d}"


def _begun(attempt: Attempt) -> str:
    run = attempt.run.model_dump(mode="json")
    if attempt.run.bundle is None:
        del run["bundle_digest"], run["bundle_size"]
    return json.dumps(
        {
            "number": attempt.number,
            "claim_id": attempt.claim_id,
            "sink": attempt.sink,
            "started_at": text_of_time(attempt.started_at),
            "run": run,
        },
        separators=(",", ":"),
    )


def _ended_json(ending: Ending | Attempt) -> str:
    if ending.finished_at is None or ending.outcome is None:
        raise ValueError("this attempt has not ended")
    document = {
        "number": ending.number,
        "claim_id": ending.claim_id,
        "finished_at": text_of_time(ending.finished_at),
        "outcome": ending.outcome.value,
        "result_code": ending.result_code,
        "result_message": ending.result_message,
    }
    return json.dumps(document, separators=(",", ":"))


def _attempts(values: Values) -> tuple[Attempt, ...]:
    last = values.get("attempt", 0)
    assert isinstance(last, int)
    numbers = range(max(1, last - KEPT_ATTEMPTS + 1), last + 1)
    return tuple(_attempt(number, values) for number in numbers if _slot("begun", number) in values)


def _attempt(number: int, values: Values) -> Attempt:
    begun = json.loads(str(values[_slot("begun", number)]))
    begun["started_at"] = time_of_text(begun["started_at"])
    begun["run"] = Run.model_validate(begun["run"])
    ended = json.loads(str(values.get(_slot("ended", number)) or "null"))
    if ended is not None and ended["number"] == number:
        begun["outcome"] = Outcome(ended["outcome"])
        begun["finished_at"] = time_of_text(ended["finished_at"])
        begun["result_code"] = ended["result_code"]
        begun["result_message"] = ended["result_message"]
    return Attempt.model_construct(**begun)
