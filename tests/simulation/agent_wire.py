"""The agents' calls, in the words of the wire: each question and answer goes through its JSON and back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from pydantic import BaseModel

from hub import wire
from hub.model.sink import Sink
from hub.wiring import Hub
from tests.simulation.network import Network
from tests.simulation.process import Process

M = TypeVar("M", bound=BaseModel)

POLL_PATIENCE = 10.0
"""An agent waits so much longer than the hub may hold its poll."""
PATIENCE = 15.0


class AgentWire:
    """The calls of all agents. `Calls` for the simulated agent."""

    def __init__(self, network: Network, sinks: Mapping[str, Sink]) -> None:
        self._network = network
        self._sinks = sinks

    async def poll(self, caller: Process, sink: str, body: wire.Poll, hold: float) -> wire.Polled:
        async def handle(hub: Hub) -> wire.Polled:
            hub.upkeep.traffic()
            return _said(await hub.polls.poll(self._sinks[sink], _said(body)))

        return await self._network.call(caller, "poll", f"{body.slots} slots", handle, patience=hold + POLL_PATIENCE)

    async def secrets(self, caller: Process, sink: str, event_id: str, body: wire.Need) -> wire.Released:
        return await self._call(
            caller, "secrets", event_id, lambda hub: hub.agents.secrets(sink, event_id, _said(body))
        )

    async def renew(self, caller: Process, sink: str, event_id: str, body: wire.Renew) -> wire.Leased:
        return await self._call(caller, "renew", event_id, lambda hub: hub.agents.renew(sink, event_id, _said(body)))

    async def logs(self, caller: Process, sink: str, event_id: str, body: wire.Logs) -> wire.Leased:
        return await self._call(caller, "logs", event_id, lambda hub: hub.agents.logs(sink, event_id, _said(body)))

    async def result(self, caller: Process, sink: str, event_id: str, body: wire.Result) -> wire.Recorded:
        return await self._call(caller, "result", event_id, lambda hub: hub.agents.result(sink, event_id, _said(body)))

    async def _call(self, caller: Process, what: str, event_id: str, ask: Callable[[Hub], Awaitable[M]]) -> M:
        async def handle(hub: Hub) -> M:
            return _said(await ask(hub))

        return await self._network.call(caller, what, event_id, handle, patience=PATIENCE)


def _said(model: M) -> M:
    """What the other side reads of it."""
    return type(model).model_validate_json(model.model_dump_json())
