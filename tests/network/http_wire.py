"""HTTP as far as a proxy needs it: one request, one answer, each as it stands on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from tests.network.rules import KINDS

END = b"\r\n\r\n"
LONGEST_HEAD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Head:
    """The first lines of a request."""

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def length(self) -> int:
        """Bytes of the body that follows."""
        return int(self.headers.get("content-length", 0))

    @property
    def kind(self) -> str:
        """Which of the agents' calls it is; `other` for anything else."""
        last = self.path.rpartition("/")[2]
        return last if self.path.startswith("/agent/") and last in KINDS else "other"

    @property
    def event(self) -> str | None:
        """The event it is about."""
        parts = self.path.split("/")
        return parts[3] if len(parts) == 5 and parts[2] == "events" else None


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next request on a connection; None at its end."""
    try:
        raw = await reader.readuntil(END)
    except asyncio.IncompleteReadError:
        return None
    first, *lines = raw.decode("latin-1").strip().split("\r\n")
    method, path, _ = first.split(" ")
    pairs = (line.split(":", 1) for line in lines)
    return Head(method, path, {name.strip().lower(): value.strip() for name, value in pairs}, raw)


async def exchange(port: int, head: Head, body: bytes) -> bytes:
    """Hand a request on to the server at this port; its answer, to the last byte. Raises OSError."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        lines = [line for line in head.raw[:-4].split(b"\r\n") if not line.lower().startswith(b"connection:")]
        writer.write(b"\r\n".join([*lines, b"Connection: close"]) + END + body)
        await writer.drain()
        answer = await reader.read(-1)
    finally:
        writer.close()
    if END not in answer:
        raise ConnectionResetError("the server ended the connection without an answer")
    return kept_open(answer)


def kept_open(answer: bytes) -> bytes:
    """The answer without its word that the connection ends: between proxy and agent it goes on."""
    head, _, body = answer.partition(END)
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join(lines) + END + body


def an_answer(status: int, body: bytes, headers: Mapping[str, str], *, length: int | None = None) -> bytes:
    """An answer on the wire. `length`: what Content-Length says, right or wrong."""
    said = {**headers} if status == HTTPStatus.NO_CONTENT else {"Content-Length": str(length or len(body)), **headers}
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in said.items())]
    return "\r\n".join(lines).encode("latin-1") + END + body


def split(answer: bytes) -> tuple[bytes, bytes]:
    """Head, its empty line included, and body."""
    head, _, body = answer.partition(END)
    return head + END, body
