"""A hub's configuration in memory, with everything that writes it, for tests."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import JsonValue

from hub.configure.copy import ConfigurationCopy
from hub.configure.matching import Match
from hub.configure.resources import Resources, Saved
from hub.configure.sinks import Sinks
from hub.configure.writing import ConfigurationWriter
from hub.model.configuration import Kind
from hub.people.enrolment import Enrolments
from hub.people.identity import Identity
from hub.people.rotation import Rotation
from hub.people.tokens import Tokens
from hub.rules import ids
from hub.signing import Purpose, RootKey, Signer
from hub.storage.embedded import open_embedded
from hub.storage.ports import Storage, Tables

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANY = Match(revisions=frozenset({"*"}))
NO_MATCH = Match()


class StepClock:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return 1000 + self.seconds


def counting_from(first: int) -> Callable[[], int]:
    """Never the same number twice."""
    return itertools.count(first).__next__


@dataclass(frozen=True)
class Desk:
    """One process's use cases over the storage."""

    storage: Storage
    clock: StepClock
    copy: ConfigurationCopy
    writer: ConfigurationWriter
    resources: Resources
    sinks: Sinks
    tokens: Tokens
    enrolments: Enrolments
    rotation: Rotation
    identity: Identity

    async def put(self, kind: Kind, name: str, match: Match = NO_MATCH, /, **fields: JsonValue) -> Saved:
        return await self.resources.put(kind, name, dict(fields), match)

    async def pool(self, name: str = "PYTHON:BASE") -> None:
        await self.put(Kind.SINK_TYPE, name)

    async def action(self, name: str = "go", match: Match = NO_MATCH, **fields: Any) -> Saved:
        return await self.put(Kind.ACTION, name, match, **{"runtime": "python", "module": "m:f", **fields})

    async def event_type(self, name: str = "GO", match: Match = NO_MATCH, **fields: Any) -> Saved:
        return await self.put(Kind.EVENT_TYPE, name, match, **{"sink_type": "PYTHON:BASE", "action": "go", **fields})

    async def webhook(self, name: str = "hook", match: Match = NO_MATCH, **fields: Any) -> Saved:
        return await self.put(Kind.SOURCE, name, match, **{"kind": "WEBHOOK", "event_types": ["GO"], **fields})

    async def everything(self) -> None:
        """One of each kind, named as above."""
        await self.pool()
        await self.action()
        await self.event_type()
        await self.webhook()


ROOT_KEY = RootKey(bytes(32))


def desk_over(
    storage: Storage,
    clock: StepClock,
    tables: Tables | None = None,
    first: int = 1,
    first_admin: str | None = None,
    *,
    front_end: bool = True,
) -> Desk:
    """Another process over the same storage, if `first` is another."""
    tables = tables or storage.tables
    copy = ConfigurationCopy(tables, clock)
    writer = ConfigurationWriter(tables, copy, counting_from(first << 64))
    numbers = counting_from(first * 1000)

    async def news() -> Any:
        return (await copy.news()).credentials

    def secret() -> str:
        return f"secret{next(secrets):037d}"

    secrets = itertools.count(first * 1000)
    mac = Signer(Purpose.CREDENTIAL, ROOT_KEY).mac
    return Desk(
        storage=storage,
        clock=clock,
        copy=copy,
        writer=writer,
        resources=Resources(copy.newest, writer.write, clock, secret, lambda at: ids.new(at, numbers(), 1)),
        sinks=Sinks(copy.newest, writer.write),
        tokens=Tokens(copy.newest, writer.write, clock, secret),
        enrolments=Enrolments(
            copy.newest, writer.write, clock, secret, lambda: f"e{numbers()}", mac, front_end=front_end
        ),
        rotation=Rotation(copy.newest, writer.write, clock, mac, 86400.0),
        identity=Identity(copy.credentials, news, clock, first_admin),
    )


@asynccontextmanager
async def opened_desk() -> AsyncIterator[Desk]:
    clock = StepClock()
    storage = open_embedded(None, clock)
    await storage.prepare()
    yield desk_over(storage, clock)
    await storage.close()
