"""A hub with one webhook, over an engine whose operations can be made to fail, or to be the hub's last."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from hub.clock import Clock
from hub.errors import Unavailable
from hub.evaluation import InlineEvaluator
from hub.model.configuration import Kind
from hub.options import Options
from hub.signing import RootKey
from hub.sources.request import Request
from hub.sources.webhook import Accepted
from hub.storage import codec
from hub.storage.ports import Storage
from hub.wiring import Hub, build

SINK_TYPE = "PYTHON:BASE"
_numbers = itertools.count(1)


class Died(BaseException):
    """The hub was killed at this line."""


@dataclass
class Breaking:
    """The engine as one hub sees it: the operation with the number `at` fails, before or after it takes effect."""

    inner: Any
    at: int | None = None
    after: bool = False
    error: Callable[[], BaseException] = Unavailable
    done: int = 0
    hit: bool = False
    names: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name in ("tables", "queues", "blobs"):
            return _Port(self, found)
        return found


@dataclass
class _Port:
    breaking: Breaking
    inner: Any

    def __getattr__(self, name: str) -> Any:
        call: Callable[..., Awaitable[Any]] = getattr(self.inner, name)

        async def carry(*args: Any, **kwargs: Any) -> Any:
            breaking = self.breaking
            number, breaking.done = breaking.done, breaking.done + 1
            breaking.names.append(name)
            if number != breaking.at:
                return await call(*args, **kwargs)
            breaking.hit = True
            if breaking.after:
                await call(*args, **kwargs)
            raise breaking.error()

        return carry


def hub_over(storage: Any, clock: Clock, **options: Any) -> Hub:
    """One more hub process over this storage."""
    first = next(_numbers) << 70
    draw = itertools.count(first)
    wired = Options(root_key=RootKey(bytes(32)), **options)
    return build(wired, storage, clock, InlineEvaluator(), lambda: next(draw) * 0x9E3779B97F4A7C15F39CC0605CEDC834_1)


async def configure(hub: Hub, event_types: dict[str, dict[str, Any]], **source: Any) -> str:
    """A webhook `hook` that fires these; its key."""
    common = {"sink_type": SINK_TYPE, "action": "go"}
    await hub.resources.apply(
        {
            Kind.SINK_TYPE: [{"name": SINK_TYPE}],
            Kind.ACTION: [{"name": "go", "runtime": "python", "module": "m:f"}],
            Kind.EVENT_TYPE: [{"name": name, **common, **fields} for name, fields in event_types.items()],
            Kind.SOURCE: [{"name": "hook", "kind": "WEBHOOK", "event_types": list(event_types), **source}],
        }
    )
    (key,) = (await hub.configuration.newest()).credentials.webhook_keys
    return key


async def deliver(hub: Hub, key: str, body: bytes = b'{"id": "d-1"}', **headers: str) -> Accepted:
    named = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await hub.sources.webhooks.receive(key, Request("POST", named, {}, body))


async def stored_events(hub: Hub) -> list[str]:
    """The ids of all events there are."""
    found: list[str] = []
    async for indexed in hub.context.partitions.walk():
        found += [each.event.id for each in await hub.context.events.list(indexed.partition)]
    return found


async def take_hints(storage: Storage, queue: str) -> set[str]:
    """The ids of all events that a message points at; the messages are gone then."""
    found: set[str] = set()
    while messages := await storage.queues.receive(queue, count=32, hidden_seconds=60):
        for message in messages:
            found.add(codec.decode_hint(message.body).event_id)
            await storage.queues.delete(queue, message.id, message.receipt)
    return found
