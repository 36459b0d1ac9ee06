"""A bad network as a process of its own: `python -m tests.network.proxy --hub PORT --seed N`.

It listens on lanes, a port for each agent, and on a control connection, over which a test says one JSON document a line
and hears one back. What each lane does with a request is decided by its rules; `rules.py` says what they may be. The
first line it prints is the port of the control connection. It ends when that connection does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass, field, replace
from typing import Any

from tests.network.faults import BEHAVIOURS, Exchange, pass_on
from tests.network.http_wire import LONGEST_HEAD_BYTES, Head, read_head
from tests.network.rules import Rule, Seen

RECEIVE_BYTES = 64 * 1024
"""What the kernel takes in for a lane: little, so that a narrow lane is felt by who sends."""


@dataclass
class Lane:
    """One agent's way to the hub."""

    hub_port: int
    rng: random.Random
    rules: list[Rule] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    port: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def up(self) -> None:
        """Listen; on the same port as before."""
        if self._server is not None:
            return
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        listener.bind(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self._server = await asyncio.start_server(self._serve, sock=listener, limit=LONGEST_HEAD_BYTES)

    async def down(self) -> None:
        """Refuse connections, and cut those that are open."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while (head := await read_head(reader)) is not None:
                if not await self._deal(Exchange(reader, writer, head, self.hub_port, self._start, len(self.seen))):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the agent went away: that is what this is for
        finally:
            self._open.discard(writer)
            writer.close()

    async def _deal(self, call: Exchange) -> bool:
        rule = self._pick(call.head)
        name = None if rule is None else rule.fault.name
        self.seen.append(Seen(time.monotonic(), call.head.kind, call.head.event, name))
        return await (pass_on(call) if rule is None else BEHAVIOURS[rule.fault.name](call, rule.fault))

    def _pick(self, head: Head) -> Rule | None:
        for place, rule in enumerate(self.rules):
            fits = head.kind in rule.kinds and rule.event in (None, head.event) and rule.times != 0
            if fits and (rule.odds >= 1 or self.rng.random() < rule.odds):
                if rule.times is not None:
                    self.rules[place] = replace(rule, times=rule.times - 1)
                return rule
        return None

    def _start(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            with suppress(OSError):
                await work

        task = asyncio.ensure_future(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Proxy:
    """All lanes, and what may be said to them."""

    def __init__(self, hub_port: int, seed: int) -> None:
        self._hub_port = hub_port
        self._seed = seed
        self._lanes: dict[str, Lane] = {}
        self._orders: Mapping[str, Callable[[Lane, Any], Awaitable[Any]]] = {
            "open": self._open,
            "rules": self._rules,
            "add": self._add,
            "down": self._down,
            "up": self._up,
            "seen": self._seen,
        }

    async def obey(self, order: Mapping[str, Any]) -> Any:
        """Carry out one order about one lane."""
        name = order["lane"]
        if name not in self._lanes:
            self._lanes[name] = Lane(self._hub_port, random.Random(f"{self._seed} {name}"))
        return await self._orders[order["do"]](self._lanes[name], order.get("with"))

    async def _open(self, lane: Lane, _: Any) -> int:
        await lane.up()
        return lane.port

    async def _rules(self, lane: Lane, said: Any) -> None:
        lane.rules[:] = [Rule.from_json(each) for each in said]

    async def _add(self, lane: Lane, said: Any) -> None:
        lane.rules += [Rule.from_json(each) for each in said]

    async def _down(self, lane: Lane, _: Any) -> None:
        await lane.down()

    async def _up(self, lane: Lane, _: Any) -> None:
        await lane.up()

    async def _seen(self, lane: Lane, after: Any) -> list[Any]:
        return [astuple(each) for each in lane.seen[after:]]


async def serve(hub_port: int, seed: int) -> None:
    """Until the control connection ends."""
    proxy, ended = Proxy(hub_port, seed), asyncio.Event()

    async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            answer = await proxy.obey(json.loads(line))
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        ended.set()

    server = await asyncio.start_server(control, "127.0.0.1", 0, limit=1 << 24)
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.network.proxy", description=__doc__)
    parser.add_argument("--hub", type=int, required=True, help="the hub's port on this machine")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.hub, arguments.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
