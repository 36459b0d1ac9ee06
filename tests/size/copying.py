"""Copies of lives that were told: the same rows at another time, under ids of their own.

Telling a life takes half a millisecond, copying it a twentieth of that, which is what makes a million events a matter
of a minute or two. A copy differs from what it was copied from in ids, claim ids, correlation ids and times; payload,
results and logs are the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from hub.model.event import LogLine
from hub.rules import ids
from hub.storage import codec
from hub.storage.log_rows import encode_chunk
from hub.storage.ports import Value
from tests.size.history import Past

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6}|\.\d{3})?Z")
_ROWS_TIME: Final = len("2026-11-23T22:46:00.123Z")
"""Rows have milliseconds; receipts have microseconds, or none."""
_RECEIPT: Final = "receipt"
"""The one column of bytes that says which event it is, and when."""
_COLUMN_ENDS, _ROW_ENDS = "\x1f", "\x1e"
"""Between what is cut and joined as one text; in no column."""


@dataclass(frozen=True, slots=True)
class Written:
    """An event as it is to be written: its id, its columns, the queue it waits on, the chunks of its log."""

    id: str
    columns: Mapping[str, Value]
    waits_on: str | None
    chunks: Sequence[Sequence[LogLine]]


def written(past: Past) -> Written:
    """The event as the product writes it."""
    columns = codec.encode_event(past.event)
    if past.tail:
        columns[codec.LOG_TAIL] = encode_chunk(past.tail)
    return Written(past.event.id, columns, None if past.event.settled else past.event.queue, past.chunks)


class Template:
    """A life to copy: an event, and its follow-on if it has one."""

    def __init__(self, told: Sequence[Past], at: datetime, draw: Random, shards: int) -> None:
        """`at` is when it was told to begin."""
        self._told = told
        self._rows = [written(past) for past in told]
        self._draw = draw
        self._shards = shards
        texts = [_texts(row.columns) for row in self._rows]
        self._names = [list(each) for each in texts]
        whole = _ROW_ENDS.join(_COLUMN_ENDS.join(each.values()) for each in texts)
        self._makers = self._differing(whole, at)
        markers = sorted({*self._makers, *(past.event.id for past in told)})
        self._parts = re.split(f"({'|'.join(map(re.escape, markers))})", whole)
        self._ended = (told[0].event.finished_at or at) - at

    def _differing(self, whole: str, at: datetime) -> dict[str, Callable[[datetime], str]]:
        """What differs in a copy beside the ids, and what stands there then."""
        events = [past.event for past in self._told]
        claims = {attempt.claim_id for event in events for attempt in event.attempts}
        makers: dict[str, Callable[[datetime], str]] = dict.fromkeys(claims, self._claim_id)
        makers |= {each.correlation_id: self._correlation_id for each in events if each.correlation_id}
        for text in set(_TIME.findall(whole)):
            makers[text] = _shifted(codec.time_of_text(text) - at, "Z" if len(text) == _ROWS_TIME else "000Z")
        return makers

    def copy(self, at: datetime) -> list[Written]:
        """The same life, begun at another time, to the millisecond."""
        texts = {marker: make(at) for marker, make in self._makers.items()}
        first, *following = self._told
        texts[first.event.id] = parent = ids.new(at, self._draw.getrandbits(96), self._shards)
        for past in following:
            seed = ("follow-on", parent, past.event.event_type)
            texts[past.event.id] = ids.derived(at + self._ended, *seed, shard=ids.shard_of(parent))
        whole = "".join([texts.get(part, part) for part in self._parts])
        return [
            Written(
                id=texts[row.id],
                columns={**row.columns, **_columns(names, text.split(_COLUMN_ENDS))},
                waits_on=row.waits_on,
                chunks=row.chunks,
            )
            for row, names, text in zip(self._rows, self._names, whole.split(_ROW_ENDS), strict=True)
        ]

    def _claim_id(self, _: datetime) -> str:
        return f"{self._draw.getrandbits(128):032x}"

    def _correlation_id(self, _: datetime) -> str:
        return f"order-{self._draw.randrange(10**9):09d}"


def _texts(columns: Mapping[str, Value]) -> dict[str, str]:
    """The columns in which copies may differ, as text."""
    texts = {name: value for name, value in columns.items() if isinstance(value, str)}
    receipt = columns.get(_RECEIPT)
    return {**texts, _RECEIPT: receipt.decode()} if isinstance(receipt, bytes) else texts


def _columns(names: Sequence[str], texts: Sequence[str]) -> dict[str, Value]:
    return {name: text.encode() if name == _RECEIPT else text for name, text in zip(names, texts, strict=True)}


def _shifted(later: timedelta, end: str) -> Callable[[datetime], str]:
    return lambda at: codec.text_of_time(at + later)[:-1] + end
