"""Events that have had their life already, moved through the very rules that the hub moves them through.

So a filled hub holds the rows that a used one holds: attempts and their ends, results, logs, retries, parents and
their follow-ons, and what still waits.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hub.limits.overflow import queue_of
from hub.model.configuration import Action, EventType, Runtime, SinkType, SourceKind
from hub.model.event import Content, Event, LogLine, Outcome, State
from hub.model.receipt import Fate, KeptBody, Line, Receipt, Verdict
from hub.model.snapshot import Snapshot
from hub.rules import ids, lifecycle
from hub.rules.lifecycle import Claim, Report
from hub.rules.resolving import Plan, plan
from hub.storage.log_rows import sequence
from hub.storage.receipt_codec import encode_receipt
from tests.unit import factories

SINK_TYPE: Final = "PYTHON:BASE"
TYPES: Final = 20
SINKS: Final = 12
SOURCES: Final = 5
RARE: Final = "RARE"
"""Event type of the one event that is older than all others; its source and sink have the same name."""
RARE_CORRELATION: Final = "order-4711-of-long-ago"
_LEASE_SECONDS: Final = 30
_LINES: Final = 8
_WORDS: Final = [
    "checked",
    "copied",
    "removed",
    "archived",
    "compared",
    "rotated",
    "restarted",
    "measured",
    "reported",
    "skipped",
]


@dataclass(frozen=True, slots=True)
class Past:
    """An event as it is now, and what its attempts wrote: chunks of their own, and the one on the completion."""

    event: Event
    chunks: tuple[tuple[LogLine, ...], ...] = ()
    tail: tuple[LogLine, ...] = ()


def documents() -> list[SinkType | Action | EventType]:
    """The configuration: twenty event types, two of which are followed by another, and the rare one."""
    names = [type_name(number) for number in range(TYPES)]
    edges = {names[0]: names[1], names[2]: names[3]}
    actions = [
        Action(name=f"do-{name}", runtime=Runtime.PYTHON, module="m:f", on_success=edges.get(name))
        for name in (*names, RARE)
    ]
    types = [EventType(name=name, sink_type=SINK_TYPE, action=f"do-{name}") for name in (*names, RARE)]
    return [SinkType(name=SINK_TYPE), *actions, *types]


def type_name(number: int) -> str:
    """The name of an event type."""
    return f"NIGHTLY-{number:02d}"


def _snapshot() -> Snapshot:
    made = documents()
    return Snapshot(
        version="v1",
        sink_types={each.name.casefold(): each for each in made if isinstance(each, SinkType)},
        actions={each.name.casefold(): each for each in made if isinstance(each, Action)},
        event_types={each.name.casefold(): each for each in made if isinstance(each, EventType)},
    )


def _plan(name: str, snapshot: Snapshot) -> Plan:
    """What an event of this type runs."""
    return plan(factories.event(event_type=name), snapshot, _LEASE_SECONDS)


def _receipt(event_id: str, event_type: str, source: str, at: datetime, payload: bytes) -> bytes:
    """The receipt of the request that fired it, which lies on the event."""
    return encode_receipt(
        Receipt(
            id=event_id,
            source=source,
            at=at,
            verdict=Verdict.ACCEPTED,
            status=202,
            method="POST",
            size=len(payload),
            sha256=hashlib.sha256(payload).hexdigest(),
            headers={"content-type": "application/json", "user-agent": "backup-server/4.2"},
            event_types=(Line(event_type, Fate.FIRED, event_id),),
            body=KeptBody.PAYLOAD,
        )
    )


class Teller:
    """Tells the lives of events, of all kinds in the proportions of a used hub, by a seed."""

    def __init__(self, draw: random.Random, shards: int = 1) -> None:
        self._draw = draw
        self._shards = shards
        snapshot = _snapshot()
        self._plans = {name: _plan(name, snapshot) for name in (*map(type_name, range(TYPES)), RARE)}

    def through(self, at: datetime) -> list[Past]:
        """An event created then, to its end; and its follow-on, if it has one, to that one's end."""
        claimed = self._claimed(self._created(at, self._any_type()), at)
        chance = self._draw.random()
        chunks: tuple[tuple[LogLine, ...], ...] = ()
        if chance < 0.08:
            chunks = (self._log(claimed, at),)
            claimed = self._claimed(self._failed_once(claimed, at), at + timedelta(seconds=12))
        state = State.ERROR if chance > 0.99 else State.WARNING if chance > 0.96 else State.SUCCESS
        past = self._finished(claimed, state, chunks)
        if past.event.owes is None:
            return [past]
        child = self._follow_on(past.event)
        paid = lifecycle.apply(past.event, {"owes": None, "owes_event_type": None})
        return [
            Past(paid, past.chunks, past.tail),
            self._finished(self._claimed(child, child.created_at), State.SUCCESS),
        ]

    def waiting(self, at: datetime) -> Past:
        """An event created then and QUEUED ever since."""
        return Past(self._created(at, self._any_type()))

    def rare(self, at: datetime) -> Past:
        """The one of its kind."""
        created = self._created(at, RARE, source=RARE, correlation_id=RARE_CORRELATION)
        return self._finished(self._claimed(created, at, sink=RARE), State.ERROR)

    def _any_type(self) -> str:
        return type_name(self._draw.randrange(TYPES))

    def _created(self, at: datetime, name: str, **fields: str) -> Event:
        event_id = ids.new(at, self._draw.getrandbits(96), self._shards)
        payload = f'{{"host":"web-{self._draw.randrange(400):03d}","path":"/var/lib/data/{event_id[-8:]}"}}'.encode()
        source = fields.get("source") or f"hook-{self._draw.randrange(SOURCES)}"
        made = {
            "id": event_id,
            "event_type": name,
            "sink_type": SINK_TYPE,
            "queue": queue_of(self._plans[name].event_type),
            "source_kind": SourceKind.WEBHOOK,
            "source": source,
            "receipt_of": source,
            "receipt_id": event_id,
            "receipt": _receipt(event_id, name, source, at, payload),
            "payload": Content(size=len(payload), inline=payload),
            "created_at": at,
            "root_id": event_id,
            "traceparent": f"00-{self._draw.getrandbits(128):032x}-{self._draw.getrandbits(64):016x}-01",
            "correlation_id": f"order-{self._draw.randrange(10**9):09d}",
        }
        return Event.model_validate({**made, **fields})

    def _follow_on(self, parent: Event) -> Event:
        assert parent.owes is not None
        assert parent.owes_event_type is not None
        assert parent.finished_at is not None
        payload = f'{{"parent":{{"id":"{parent.id}","event_type":"{parent.event_type}","state":"SUCCESS"}}}}'.encode()
        return self._created(parent.finished_at, parent.owes_event_type).model_copy(
            update={
                "id": parent.owes,
                "source_kind": SourceKind.FOLLOW_ON,
                "source": parent.event_type,
                "receipt_of": None,
                "receipt_id": None,
                "receipt": None,
                "payload": Content(size=len(payload), inline=payload),
                "parent_id": parent.id,
                "root_id": parent.root_id,
                "depth": 1,
                "traceparent": parent.traceparent,
                "correlation_id": parent.correlation_id,
            }
        )

    def _claimed(self, event: Event, at: datetime, sink: str | None = None) -> Event:
        todo = self._plans[event.event_type]
        at += timedelta(milliseconds=self._draw.randrange(20, 400))
        claim = Claim(
            claim_id=f"{self._draw.getrandbits(128):032x}",
            sink=sink or f"berlin-{self._draw.randrange(SINKS):02d}",
            at=at,
            lease_until=at + timedelta(seconds=_LEASE_SECONDS),
            run_until=at + timedelta(seconds=todo.run.timeout_seconds + _LEASE_SECONDS),
            run=todo.run,
            edges=todo.edges,
            confirm=False,
        )
        return lifecycle.claim(event, claim)

    def _failed_once(self, event: Event, at: datetime) -> Event:
        report = Report(State.ERROR, Outcome.ERROR, "EXIT_1", "connection refused by the file server")
        ended, again = at + timedelta(seconds=1), at + timedelta(seconds=11)
        return lifecycle.apply(event, lifecycle.retry(lifecycle.holding(event), report, ended, again))

    def _finished(self, event: Event, state: State, chunks: tuple[tuple[LogLine, ...], ...] = ()) -> Past:
        at = event.attempts[-1].started_at + timedelta(milliseconds=self._draw.randrange(50, 2000))
        data = f'{{"removed":{self._draw.randrange(5000)},"bytes":{self._draw.randrange(10**9)}}}'.encode()
        report = Report(
            state=state,
            outcome=Outcome(state.value),
            code=None if state is State.SUCCESS else "DISK_FULL",
            message=None if state is State.SUCCESS else f"{self._draw.randrange(100)} % of the disk are in use",
            data=Content(size=len(data), inline=data),
        )
        ended = lifecycle.apply(event, lifecycle.finish(lifecycle.holding(event), report, at))
        return Past(ended, chunks, self._log(event, at))

    def _log(self, event: Event, at: datetime) -> tuple[LogLine, ...]:
        """A short task's log."""
        return tuple(
            LogLine(
                seq=sequence(event.attempt, number),
                time=at,
                stream="stdout",
                level="INFO",
                text=f"{self._draw.choice(_WORDS)} {self._draw.randrange(10**6)} files in {event.event_type}",
            )
            for number in range(1, _LINES + 1)
        )
