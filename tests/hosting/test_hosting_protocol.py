"""Who does not speak HTTP, or speaks it too slowly, gets a bare status."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import azure.functions as func
import pytest

from hosting import requests
from hosting.functions_host import FunctionsHost
from tests.hosting.support import PATIENCE_SECONDS, hosted, open_app

CANARY = b"canary-91aa"


def an_app() -> func.FunctionApp:
    app = open_app()

    @app.route("echo", methods=["POST"])
    async def echo(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(req.get_body())

    return app


async def said(host: FunctionsHost, raw: bytes) -> bytes:
    """All that the server says to these bytes until it ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(host.url.rpartition(":")[2]))
    writer.write(raw)
    async with asyncio.timeout(PATIENCE_SECONDS):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    "raw",
    [
        b"%b nonsense\r\n\r\n" % CANARY,
        b"get /%b HTTP/1.1\r\nHost: x\r\n\r\n" % CANARY,
        b"GET / HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % CANARY,
        b"GET / HTTP/1.1\r\nHost: x\r\nX: %b\x00\r\n\r\n" % CANARY,
        b"GET / HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % b"\r\n".join(b"X-%d: %b" % (n, CANARY) for n in range(2000)),
        b"GET / HTTP/1.1\r\nHost: x\r\nX: %b\r\n\r\n" % (CANARY * 20_000),
        b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (CANARY * 20_000),
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %b\r\n\r\n" % CANARY,
    ],
)
async def test_nonsense_gets_a_bare_400(tmp_path: Path, caplog: pytest.LogCaptureFixture, raw: bytes) -> None:
    caplog.set_level(logging.DEBUG)
    async with hosted(an_app(), tmp_path) as host:
        head, _, body = (await said(host, raw)).partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] in (b"HTTP/1.1 400 Bad Request", b"HTTP/1.0 400 Bad Request")
    assert body == b""
    assert CANARY not in head
    assert b"aiohttp" not in head.lower()
    assert CANARY.decode() not in caplog.text


async def test_a_body_that_does_not_come_is_408(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "BODY_GRACE_SECONDS", 0.2)
    monkeypatch.setattr(requests, "LEAST_BYTES_A_SECOND", 1e9)
    async with hosted(an_app(), tmp_path) as host:
        answer = await said(host, b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this")
    assert answer.startswith(b"HTTP/1.1 408 ")
