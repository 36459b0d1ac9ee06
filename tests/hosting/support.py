"""What the tests of the local host share: hosting a small app, and asking it over a plain socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import azure.functions as func
import psutil

from hosting.functions_host import FunctionsHost, Options
from hosting.hostjson import HostJson, HttpOptions
from hosting.indexing import index

PATIENCE_SECONDS = 30.0  # for what happens at once on an idle machine
PLAIN = HostJson(http=HttpOptions(route_prefix=""))


def open_app() -> func.FunctionApp:
    """An app whose HTTP functions need no key."""
    return func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@asynccontextmanager
async def hosted(
    app: func.FunctionApp,
    home: Path,
    settings: Mapping[str, str] | None = None,
    host_json: HostJson = PLAIN,
    **options: Any,
) -> AsyncIterator[FunctionsHost]:
    """The app, hosted on a port of its own; without a route prefix unless `host_json` has one."""
    options = {"home": home, "port": 0, **options}
    async with FunctionsHost(index(app), settings or {}, host_json, Options(**options)) as host:
        yield host


@dataclass(frozen=True)
class Reply:
    """An answer as it came over the wire; the body without its chunks."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for each, value in self.headers if each.lower() == name.lower()]

    @property
    def text(self) -> str:
        return self.body.decode()


async def ask(
    host: FunctionsHost | str,
    target: str = "/",
    method: str = "GET",
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    length: bool = True,
) -> Reply:
    """Send one request exactly as given, on a connection of its own. `length` adds a Content-Length to a body."""
    url = host if isinstance(host, str) else host.url
    lines = [f"{method} {target} HTTP/1.1", "Connection: close"]
    if not any(name.lower() == "host" for name, _ in headers):
        lines.append(f"Host: {urlsplit(url).netloc}")
    lines += [f"{name}: {value}" for name, value in headers]
    if body and length:
        lines.append(f"Content-Length: {len(body)}")
    return await send(url, "\r\n".join([*lines, "", ""]).encode("latin-1") + body)


async def send(url: str, raw: bytes) -> Reply:
    """Send these bytes, and read the answer to the end of the connection."""
    return parse_reply(await exchange(url, raw))


async def exchange(url: str, raw: bytes) -> bytes:
    """Send these bytes; answers all that came back until the connection was closed."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(raw)
        await writer.drain()
        async with asyncio.timeout(PATIENCE_SECONDS):
            received = await reader.read()
    finally:
        writer.close()
    await writer.wait_closed()
    return received


def parse_reply(received: bytes) -> Reply:
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    if any(name.lower() == "transfer-encoding" for name, _ in headers):
        body = _unchunk(body)
    return Reply(int(status.split(" ")[1]), headers, body)


def _unchunk(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        whole, body = whole + body[:length], body[length + 2 :]
    return whole


def is_gone(process: psutil.Process) -> bool:
    """Whether it has ended. A zombie has: its parent is dead, and process 1 of a container may never collect it."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def assert_gone(process: psutil.Process) -> None:
    """Wait until a process that is not our child has ended: there is nothing to wait on but its state."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_gone(process):
        assert time.monotonic() < deadline, f"{process} is still there"
        time.sleep(0.02)
