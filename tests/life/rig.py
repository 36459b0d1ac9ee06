"""A hub over one engine, with a configuration and sinks of its own, and a clock that a test can move."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from hub.announce.port import Topic
from hub.clock import Clock
from hub.evaluation import InlineEvaluator
from hub.life.create import NewEvent
from hub.model.configuration import Action, EventType, Kind, Runtime, SinkType, SourceKind
from hub.model.event import Event
from hub.model.sink import Sink
from hub.options import Options
from hub.signing import ROOT_KEY_BYTES, RootKey
from hub.storage.configuration import ConfigurationRows, Edit, Entry, RowKind
from hub.storage.events import Stored
from hub.storage.ports import Storage
from hub.wire import Chunk, Line, Poll, Result, ResultState, Task
from hub.wiring import Hub, build

SINK_TYPE = "PYTHON:BASE"
SINK = "sink-1"
ENOUGH_SECONDS = 60.0
"""For a task that is there, on whatever machine."""


@dataclass
class LifeRig:
    """The hub, and the shortest ways to make it do something."""

    hub: Hub
    entries: dict[str, Entry] = field(default_factory=dict)

    @property
    def clock(self) -> Clock:
        return self.hub.clock

    async def configure(self, *documents: SinkType | Action | EventType | Sink) -> None:
        """Put documents in place, as an admin would."""
        rows = ConfigurationRows(self.hub.storage.tables)
        seen = await self.hub.configuration.newest()
        put = [Entry(_KINDS[type(each)], each.name, each, sha256=secrets.token_hex(32)) for each in documents]
        await rows.write(seen, Edit(put=put), secrets.token_hex(8))
        self.hub.configuration.invalidate()

    async def remove(self, kind: RowKind, name: str) -> None:
        """Take a document away, whoever names it."""
        seen = await self.hub.configuration.newest()
        found = seen.get(kind, name)
        assert found is not None
        await ConfigurationRows(self.hub.storage.tables).write(seen, Edit(remove=[found]), secrets.token_hex(8))
        self.hub.configuration.invalidate()

    async def event_type(
        self, name: str, *, on: Mapping[str, str] | None = None, action: Mapping[str, Any] | None = None, **fields: Any
    ) -> EventType:
        """An EventType with an action of its own; `on` names its follow-ons."""
        made = EventType(**{"name": name, "sink_type": SINK_TYPE, "action": f"do-{name}", **fields})
        runs = Action(
            **{"name": f"do-{name}", "runtime": Runtime.PYTHON, "module": "m:f", **(on or {}), **(action or {})}
        )
        await self.configure(runs, made)
        return made

    async def schedule(self, name: str = "s", **fields: Any) -> Entry:
        """A schedule as an admin puts it: each minute, of the EventType A, unless said otherwise."""
        document: dict[str, Any] = {"name": name, "kind": "SCHEDULE", "event_types": ["A"]}
        when = {} if "at" in fields else {"cron": "* * * * *"}
        (saved,) = await self.hub.resources.apply({Kind.SOURCE: [{**document, **when, **fields}]})
        return saved.entry

    async def fire(self, event_type: str, payload: bytes = b"{}", **fields: Any) -> Event:
        """An event, acknowledged."""
        found = (await self.hub.configuration.current()).event_type(event_type)
        assert found is not None
        return await self.hub.creator.create(
            NewEvent(event_type=found, source_kind=SourceKind.MANUAL, payload=payload, **fields)
        )

    async def poll(
        self, slots: int = 1, sink: str = SINK, sink_type: str = SINK_TYPE, seconds: float = ENOUGH_SECONDS
    ) -> tuple[Task, ...]:
        """What a poll of this sink is given within so many seconds; nothing: an empty tuple. Say few to see nothing."""
        identity = Sink(name=sink, sink_type=sink_type, enrolled_at=self.clock.now())
        call = Poll(slots=slots, version="1", instance="instance-1")
        polling = asyncio.ensure_future(self.hub.polls.poll(identity, call))
        done, _ = await asyncio.wait([polling], timeout=seconds)
        if not done:
            polling.cancel()
            await asyncio.wait([polling])
            return ()
        return polling.result().tasks

    async def one(self, **fields: Any) -> Task:
        """The one task that waits."""
        (task,) = await self.poll(**fields)
        return task

    async def report(self, task: Task, state: ResultState = ResultState.SUCCESS, **fields: Any) -> None:
        await self.hub.agents.result(SINK, task.event_id, Result(token=task.token, state=state, **fields))

    async def read(self, event_id: str) -> Event:
        return (await self.stored(event_id)).event

    async def stored(self, event_id: str) -> Stored:
        return await self.hub.context.events.get(event_id)

    def chunk(self, *texts: str, first: int = 1) -> Chunk:
        lines = tuple(Line(time=self.clock.now(), stream="stdout", level="INFO", text=text) for text in texts)
        return Chunk(first=first, lines=lines)


_KINDS: dict[type, RowKind] = {
    SinkType: RowKind.SINK_TYPE,
    Action: RowKind.ACTION,
    EventType: RowKind.EVENT_TYPE,
    Sink: RowKind.SINK,
}


@asynccontextmanager
async def open_rig(
    storage: Storage, clock: Clock, topic: Topic | None = None, **options: Any
) -> AsyncIterator[LifeRig]:
    """A hub over this storage, with one SinkType and one sink; `options` as in `hub.options.Options`."""
    wired = Options(**{"root_key": RootKey(secrets.token_bytes(ROOT_KEY_BYTES)), **options})
    await storage.prepare()
    rig = LifeRig(build(wired, storage, clock, InlineEvaluator(), lambda: secrets.randbits(128), topic))
    sink = Sink(name=SINK, sink_type=SINK_TYPE, enrolled_at=clock.now())
    await rig.configure(SinkType(name=SINK_TYPE), sink)
    yield rig
    await storage.close()
