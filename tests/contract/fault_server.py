"""A storage service that misbehaves, on a real socket: it does with each request, in turn, what a test told it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain, repeat
from typing import Self, TypeAlias

from hosting.azurite import BIND, Ports, connection_string

JSON = "application/json;odata=minimalmetadata;charset=utf-8"
XML = "application/xml"


@dataclass(frozen=True)
class Request:
    """A request as it came in. Header names are in small letters."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    head: bytes


Behaviour: TypeAlias = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]
"""What is done with one request. The connection is kept unless it closes the writer."""


class FaultServer:
    """All three services on one port. Does the behaviours in turn, one a request; the last one again and again."""

    def __init__(self, *script: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self._script: Iterator[Behaviour] = chain(script, repeat(script[-1]))
        self._tasks: set[asyncio.Task[None]] = set()
        self._tls = tls

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, BIND, 0, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def connection_string(self) -> str:
        """Signed for as Azurite's account, so that requests can be handed on to it."""
        return connection_string(Ports(self.port, self.port, self.port))

    def then(self, *script: Behaviour) -> None:
        """From now on do these."""
        self._script = chain(script, repeat(script[-1]))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while not writer.is_closing():
                request = await _read(reader)
                self.requests.append(request)
                await next(self._script)(request, writer)
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode().strip().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if ": " in line)}
    method, target, _ = first.split(" ")
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, target, headers, body, head)


def answer(status: int, body: str = "", **headers: str) -> Behaviour:
    """Answer as the service does, with this status; underscores in header names are dashes."""
    return foreign_answer(status, body, x_ms_request_id="1", **headers)


def foreign_answer(status: int, body: str = "", **headers: str) -> Behaviour:
    """Answer as somebody in between does, who is not the service."""

    async def behave(_: Request, writer: asyncio.StreamWriter) -> None:
        lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
        length = "" if status == HTTPStatus.NO_CONTENT else f"Content-Length: {len(body.encode())}\r\n"
        writer.write(f"HTTP/1.1 {status} Said\r\n{length}{''.join(lines)}\r\n{body}".encode())
        await writer.drain()

    return behave


def row_answer(key: str = "row") -> Behaviour:
    """A row, as the table service gives it."""
    return answer(200, f'{{"odata.etag":"W/\\"1\\"","PartitionKey":"p","RowKey":"{key}"}}', Content_Type=JSON)


PUT_DONE = answer(
    201,
    "<QueueMessagesList><QueueMessage><MessageId>1</MessageId><PopReceipt>r</PopReceipt></QueueMessage></QueueMessagesList>",
    Content_Type=XML,
)
"""A message was added."""


async def hang(_: Request, __: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def drop(_: Request, writer: asyncio.StreamWriter) -> None:
    """Close the connection instead of answering."""
    writer.close()


async def reset(_: Request, writer: asyncio.StreamWriter) -> None:
    """Break the connection instead of answering."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()


async def cut(_: Request, writer: asyncio.StreamWriter) -> None:
    """Break off in the middle of the answer."""
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {JSON}\r\nContent-Length: 1000\r\n\r\n{{".encode())
    await writer.drain()
    writer.close()


def forward(port: int) -> Behaviour:
    """Hand the request on to the service on this port, and its answer back."""

    async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(await _exchange(request, port))
        writer.close()

    return behave


def lose_answer(port: int) -> Behaviour:
    """Hand the request on to the service on this port, which carries it out; its answer never comes back."""

    async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
        assert b" 2" in (await _exchange(request, port)).split(b"\r\n")[0], "the service has refused it"
        writer.close()

    return behave


async def _exchange(request: Request, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(BIND, port)
    try:
        writer.write(request.head[:-2] + b"Connection: close\r\n\r\n" + request.body)
        return await reader.read(-1)
    finally:
        writer.close()
