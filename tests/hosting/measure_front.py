"""What the host adds to a request: processor time per request of the host and of a bare aiohttp handler, and the ratio.

    python -m tests.hosting.measure_front [REQUESTS]

Both are processes of their own, driven over one connection; processor time does not count what other programs do.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

BARE = """
import asyncio
from aiohttp import web
async def handle(request):
    body = await request.read()
    return web.Response(body=b'{"ok": true, "length": %d}' % len(body), content_type="application/json")
async def main():
    runner = web.ServerRunner(web.Server(handle, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
APP = """
import azure.functions as func
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
def other(number):
    @app.function_name(f"f{number:02}")
    @app.route(f"other{number}/{{id}}/part", methods=["GET", "POST"])
    async def nothing(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse()
for number in range(20):
    other(number)
@app.route("hooks/{key}", methods=["POST"])
async def webhook(req: func.HttpRequest) -> func.HttpResponse:
    body = req.get_body()
    return func.HttpResponse(b'{"ok": true, "length": %d}' % len(body), mimetype="application/json")
"""
HOST_JSON = '{"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}'
BODY = b'{"event": "disk-full", "host": "plant-7", "free": 12}'
REQUEST = (
    b"POST /hooks/0123456789abcdef?source=test HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: measure\r\n"
    b"Accept: */*\r\nContent-Type: application/json\r\nX-Signature: sha256=0123456789abcdef\r\n"
    b"Content-Length: " + str(len(BODY)).encode() + b"\r\n\r\n" + BODY
)


@contextmanager
def server(argv: list[str]) -> Iterator[tuple[psutil.Process, int]]:
    """A server process and the port that it prints, or that the address in its first line ends with."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = next(line for line in process.stdout if line.strip().isdecimal() or "serving http" in line)
            yield psutil.Process(process.pid), int(line.partition("127.0.0.1:")[2].split(":")[0] or line)
        finally:
            process.kill()


def exchange(connection: socket.socket) -> None:
    connection.sendall(REQUEST)
    received = b""
    while not received.endswith((b"0\r\n\r\n", b"}")):
        received += connection.recv(65536)
    assert received.startswith(b"HTTP/1.1 200"), received


def measure(argv: list[str], requests: int) -> tuple[float, float]:
    """Microseconds of processor and of wall-clock time for one request, once it is warm."""
    with server(argv) as (process, port), socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(requests // 5):
            exchange(connection)
        before, began = process.cpu_times(), time.perf_counter()
        for _ in range(requests):
            exchange(connection)
        wall, after = time.perf_counter() - began, process.cpu_times()
    spent = after.user + after.system - before.user - before.system
    return spent / requests * 1e6, wall / requests * 1e6


def main(requests: int = 10_000) -> None:
    with tempfile.TemporaryDirectory() as folder:
        app = Path(folder) / "app"
        app.mkdir()
        (app / "function_app.py").write_text(APP)
        (app / "host.json").write_text(HOST_JSON)
        bare = measure([sys.executable, "-c", BARE], requests)
        host = measure(
            [sys.executable, "-m", "hosting.host", "--app", str(app), "--home", folder, "--port", "0"], requests
        )
    print(f"bare aiohttp: {bare[0]:.0f} us of processor, {bare[1]:.0f} us of time, for one request")
    print(f"the host:     {host[0]:.0f} us of processor, {host[1]:.0f} us of time, for one request")
    print(f"ratio {host[0] / bare[0]:.2f}, difference {host[0] - bare[0]:.0f} us of processor")


if __name__ == "__main__":
    main(*(int(each) for each in sys.argv[1:]))
