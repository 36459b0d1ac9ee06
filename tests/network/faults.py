"""What a bad network does with one request. Each behaviour answers whether the connection goes on.

Nothing here is polite: connections are dropped and reset without a word, answers are cut, and what was delivered may
never be heard of again.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from tests.network.http_wire import Head, an_answer, exchange, split
from tests.network.rules import Fault

PORTAL = b"<!doctype html><html><title>Welcome</title><form action=/login>Accept our terms to go online</form></html>"
HTML = {"Content-Type": "text/html; charset=utf-8"}
PROBLEM = {"Content-Type": "application/problem+json"}
JSON = {"Content-Type": "application/json"}
FOR_EVER = 3600.0


@dataclass
class Exchange:
    """One request on its connection, not yet read beyond its head."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: Head
    hub_port: int
    after: Callable[[Awaitable[None]], None]
    """Starts what goes on when the connection is gone."""
    count: int
    """How many requests the proxy has seen: makes login pages differ."""

    async def body(self) -> bytes:
        return await self.reader.readexactly(self.head.length)

    async def deliver(self, body: bytes) -> bytes:
        """What the hub answers. A hub that is away is a bad gateway's own page."""
        try:
            return await exchange(self.hub_port, self.head, body)
        except OSError:
            return an_answer(502, b"<html><title>Bad gateway</title></html>", HTML)

    async def deliver_whether_or_not(self, body: bytes) -> None:
        """Deliver it, whatever becomes of the answer."""
        await self.deliver(body)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def until_gone(self, seconds: float) -> None:
        """Until the agent gives up, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.reader.read(1)

    def reset(self) -> bool:
        """Break the connection: what is on its way is lost."""
        connection: socket.socket = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False


Behaviour = Callable[[Exchange, Fault], Awaitable[bool]]


async def pass_on(call: Exchange) -> bool:
    """What a good network does. An agent that hangs up is heard; the hub is not, as behind most load balancers."""
    body = await call.body()
    asked = asyncio.ensure_future(call.deliver(body))
    gone = asyncio.ensure_future(call.reader.read(1))
    await asyncio.wait((asked, gone), return_when=asyncio.FIRST_COMPLETED)
    if gone.done():
        call.after(_forget(asked))
        return False
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    await call.send(asked.result())
    return True


async def _forget(asked: asyncio.Future[bytes]) -> None:
    await asked


# --- before the hub hears of it


async def close_before(call: Exchange, _: Fault) -> bool:
    """Cut when half of the request has been read."""
    await call.reader.readexactly(call.head.length // 2)
    return False


async def reset_before(call: Exchange, _: Fault) -> bool:
    return call.reset()


async def stall_before(call: Exchange, fault: Fault) -> bool:
    """Read it, and never say a word."""
    await call.body()
    await call.until_gone(fault.seconds or FOR_EVER)
    return False


async def late(call: Exchange, fault: Fault) -> bool:
    """Hang up, and deliver it all the same, later."""
    body = await call.body()

    async def deliver_later() -> None:
        await asyncio.sleep(fault.seconds)
        await call.deliver(body)

    call.after(deliver_later())
    return False


async def slow(call: Exchange, fault: Fault) -> bool:
    """Late, but whole."""
    body = await call.body()
    await asyncio.sleep(fault.seconds)
    await call.send(await call.deliver(body))
    return True


async def narrow(call: Exchange, fault: Fault) -> bool:
    """An uplink of so many bytes a second."""
    read, parts = 0, []
    while read < call.head.length:
        part = await call.reader.read(min(fault.rate // 10, call.head.length - read))
        read += len(part)
        parts.append(part)
        await asyncio.sleep(len(part) / fault.rate)
    await call.send(await call.deliver(b"".join(parts)))
    return True


async def duplicate(call: Exchange, fault: Fault) -> bool:
    """Deliver it twice, the second so much later; the answer is the first's."""
    body = await call.body()

    async def again() -> None:
        await asyncio.sleep(fault.seconds)
        await call.deliver(body)

    call.after(again())
    await call.send(await call.deliver(body))
    return True


# --- after the hub has heard it


async def lose(call: Exchange, _: Fault) -> bool:
    """The answer never comes back."""
    await call.deliver(await call.body())
    return False


async def stall_after(call: Exchange, fault: Fault) -> bool:
    await call.deliver(await call.body())
    await call.until_gone(fault.seconds or FOR_EVER)
    return False


async def cut_answer(call: Exchange, _: Fault) -> bool:
    """Half of the answer, then the end: Content-Length promised more."""
    answer = await call.deliver(await call.body())
    await call.send(answer[: len(answer) - max(1, len(split(answer)[1]) // 2)])
    return False


async def reset_answer(call: Exchange, _: Fault) -> bool:
    answer = await call.deliver(await call.body())
    await call.send(answer[: len(answer) // 2])
    await asyncio.sleep(0.01)
    return call.reset()


async def truncate(call: Exchange, _: Fault) -> bool:
    """Half of the document, and a Content-Length that agrees."""
    head, body = split(await call.deliver(await call.body()))
    status = int(head.split(b" ", 2)[1])
    await call.send(an_answer(200 if status == 204 else status, body[: len(body) // 2] or b'{"tasks": [', JSON))
    return True


async def trickle(call: Exchange, fault: Fault) -> bool:
    """One byte at a time, so late that the answer would take hours."""
    answer = await call.deliver(await call.body())
    for byte in answer[:-1]:
        await call.send(bytes([byte]))
        if call.reader.at_eof():
            break
        await asyncio.sleep(fault.seconds)
    return False


# --- in the hub's place


async def say(call: Exchange, fault: Fault) -> bool:
    """An answer in the hub's form, though the hub never heard the question."""
    await call.body()
    document = {"type": "urn:nexomatic:problem:test", "title": "Refused", "status": fault.status, "detail": "no"}
    body = json.dumps({**document, **fault.document}).encode()
    await call.send(an_answer(fault.status, body, {**PROBLEM, **fault.headers}))
    return True


async def say_page(call: Exchange, fault: Fault) -> bool:
    """A page in somebody's words: a captive portal (200), a gateway (5xx), a firewall (403, 413)."""
    await call.body()
    await call.send(an_answer(fault.status, PORTAL, {**HTML, **fault.headers}))
    return True


async def say_json(call: Exchange, fault: Fault) -> bool:
    """JSON that is not the hub's."""
    await call.body()
    await call.send(an_answer(fault.status, json.dumps(dict(fault.document)).encode(), {**JSON, **fault.headers}))
    return True


async def redirect(call: Exchange, _: Fault) -> bool:
    """To a login page, at another address each time."""
    await call.body()
    where = f"http://portal.example/login?from={call.head.path}&ticket={call.count}"
    await call.send(an_answer(302, b"", {"Location": where}))
    return True


BEHAVIOURS: Mapping[str, Behaviour] = {
    each.__name__.replace("_", "-"): each
    for each in (
        close_before, reset_before, stall_before, late, slow, narrow, duplicate, lose, stall_after, cut_answer,
        reset_answer, truncate, trickle, say, say_page, say_json, redirect,
    )
}  # fmt: skip
