"""What happened in a run, kept cheaply and written out only when somebody has to read it."""

from __future__ import annotations

import asyncio
from typing import Final

from hub.model.event import Event
from hub.rules import partitions
from hub.storage.keys import EVENTS
from hub.storage.ports import Values
from hub.wire import Cancel, Leased, Polled

_SHOWN: Final = frozenset({"state", "claim_id", "lease_until", "owes", "not_before", "result_code", "hints", "queue"})


class Trace:
    """Entries of (time, who, what, details). Details are formatted late: most runs are never read."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._entries: list[tuple[float, str, str, tuple[object, ...]]] = []

    def add(self, who: str, what: str, *details: object) -> None:
        self._entries.append((self._loop.time(), who, what, details))

    def lines(self, about: str | None = None) -> list[str]:
        """The entries as text; `about`: only those that name this (an event's id)."""
        lines = (_line(*entry) for entry in self._entries)
        return [line for line in lines if about is None or about in line]

    def __len__(self) -> int:
        return len(self._entries)


def _line(at: float, who: str, what: str, details: tuple[object, ...]) -> str:
    said = " ".join(_said(detail) for detail in details if detail is not None)
    return f"{at:12.3f}  {who:<12} {what:<22} {said}".rstrip()


def _said(detail: object) -> str:
    match detail:
        case Event():
            return f"{detail.state}"
        case Polled():
            said = [f"{task.event_id}/{task.attempt}" for task in detail.tasks]
            said += [
                f"cancel {each.event_id}" if isinstance(each, Cancel) else f"{each.command} {each.id}"
                for each in detail.commands
            ]
            return " ".join(said) or "nothing"
        case Leased():
            return f"{detail.lease_seconds:g} s"
        case Stored():
            return str(detail)
    return str(detail)[:300]


class Stored:
    """A row as it is written, for the trace: which, and what of it matters."""

    def __init__(self, table: str, key: str, values: Values | None = None) -> None:
        self._table = table
        self._key = key
        self._values = values

    def __str__(self) -> str:
        key = partitions.id_of(self._key) if self._table == EVENTS else self._key
        shown = {name: value for name, value in (self._values or {}).items() if name in _SHOWN or name[:6] == "ended_"}
        return f"{key} {shown}" if shown else key
