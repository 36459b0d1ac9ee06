"""How functions run: on the loop or in threads, with a context, within limits."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from hosting.functions_host import FunctionsHost, Options
from hosting.hostjson import HostJson, HttpOptions
from hosting.indexing import index
from hosting.logs import running, thread_local
from hosting.settings import Cors
from hosting.watchdog import Watchdog
from tests.hosting.support import ask, exchange, hosted, open_app

ORIGIN = "https://page.example"


async def test_plain_functions_run_in_a_pool_of_the_set_size_and_async_ones_on_the_loop(tmp_path: Path) -> None:
    app = open_app()
    names: set[str] = set()
    both = threading.Barrier(2, timeout=30)

    @app.route("thread")
    def blocks(req: func.HttpRequest) -> func.HttpResponse:
        names.add(threading.current_thread().name)
        both.wait()  # passes only when two run at once
        return func.HttpResponse(running.get().function if running.get() else "")  # type: ignore[union-attr]

    @app.route("loop")
    async def waits(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(threading.current_thread().name)

    async with hosted(app, tmp_path, {"PYTHON_THREADPOOL_THREAD_COUNT": "2"}) as host:
        replies = await asyncio.gather(*(ask(host, "/thread") for _ in range(6)))
        assert {reply.text for reply in replies} == {"blocks"}
        assert (await ask(host, "/loop")).text == threading.current_thread().name
    assert len(names) == 2
    assert thread_local.invocation_id is None


async def test_a_handler_may_ask_for_its_context(tmp_path: Path) -> None:
    app = open_app()
    seen: list[func.Context] = []

    @app.route("x")
    async def handler(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        seen.append(context)
        context.thread_local_storage.invocation_id = context.invocation_id  # type: ignore[attr-defined]
        assert thread_local.invocation_id == context.invocation_id
        thread_local.invocation_id = None
        return func.HttpResponse(context.invocation_id)

    async with hosted(app, tmp_path) as host:
        replies = [(await ask(host, "/x")).text for _ in range(2)]
    assert len(set(replies)) == 2
    context = seen[0]
    assert isinstance(context, func.Context)
    assert context.function_name == "handler"
    assert context.function_directory == str(Path(__file__).parent)
    assert context.trace_context.trace_parent.startswith("00-")
    assert (context.retry_context.retry_count, context.retry_context.max_retry_count) == (0, 0)


async def test_a_child_task_knows_its_invocation(tmp_path: Path) -> None:
    app = open_app()

    @app.route("x")
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        async def child() -> str:
            invocation = running.get()
            return "" if invocation is None else invocation.function

        return func.HttpResponse(await asyncio.create_task(child()))

    async with hosted(app, tmp_path) as host:
        assert (await ask(host, "/x")).text == "handler"


async def test_a_return_value_that_no_output_takes_is_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app, done = open_app(), asyncio.Event()

    @app.timer_trigger("t", "0 0 0 1 1 *", run_on_startup=True)
    async def tick(t: func.TimerRequest) -> Any:
        done.set()
        return "something"

    async with hosted(app, tmp_path):
        await done.wait()
    assert "function tick returned a value, but has no output that takes it" in caplog.text


async def test_a_decorator_that_is_not_async_makes_the_handler_return_a_coroutine_which_is_a_500(
    tmp_path: Path,
) -> None:
    app = open_app()

    async def inner(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("here")

    coroutines: list[Any] = []

    def wrapped(req: func.HttpRequest):  # type: ignore[no-untyped-def] # noqa: ANN202, RUF100
        coroutines.append(inner(req))
        return coroutines[-1]

    app.route("x")(wrapped)
    async with hosted(app, tmp_path) as host:
        assert (await ask(host, "/x")).status == 500
    for coroutine in coroutines:
        coroutine.close()


async def test_something_cancelled_inside_a_handler_is_a_500_and_not_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = open_app()

    @app.route("x")
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.cancel()
        await future
        raise AssertionError

    async with hosted(app, tmp_path) as host:
        assert (await ask(host, "/x")).status == 500
        assert (await ask(host, "/x")).status == 500
    assert "CancelledError" in caplog.text


async def test_a_body_above_the_limit_is_a_413_before_it_is_read(tmp_path: Path) -> None:
    app = open_app()

    @app.route("x")
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(str(len(req.get_body())))

    async with hosted(app, tmp_path, {"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "1000000"}) as host:
        assert (await ask(host, "/x", "POST", [("Content-Length", "1000001")])).status == 413
        assert (await ask(host, "/x", "POST", body=b"x" * 1_000_000)).text == "1000000"


@pytest.mark.parametrize(
    "raw", [b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\npart", b"\x16\x03\x01 no HTTP at all\r\n\r\n"]
)
async def test_a_broken_request_reaches_no_handler_and_is_not_the_hosts_error(
    tmp_path: Path, raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    app = open_app()

    @app.route("x")
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        raise AssertionError

    async with hosted(app, tmp_path) as host:
        _, writer = await asyncio.open_connection("127.0.0.1", int(host.url.rsplit(":", 1)[1]))
        writer.write(raw)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert (await ask(host, "/none")).status == 404
    assert [record for record in caplog.records if record.levelno > logging.DEBUG and record.name != "root"] == []


async def test_an_error_of_the_host_itself_is_an_empty_500_and_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    async with hosted(open_app(), tmp_path) as host:
        monkeypatch.setattr(type(host.routes), "match", broken)
        reply = await ask(host, "/x")
    assert (reply.status, reply.body) == (500, b"")
    assert "the host failed" in caplog.text


async def test_who_waits_for_100_continue_gets_it(tmp_path: Path) -> None:
    app = open_app()

    @app.route("x")
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(req.get_body())

    async with hosted(app, tmp_path) as host:
        port = int(host.url.rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = "POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
        writer.write(head.encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"body")
        assert (await reader.read()).endswith(b"4\r\nbody\r\n0\r\n\r\n")
        writer.close()
        await writer.wait_closed()


async def test_one_connection_carries_many_requests_and_large_headers(tmp_path: Path) -> None:
    app = open_app()

    @app.route("x/{n}")
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(f"{req.route_params['n']}:{len(req.headers['x-large'])}")

    request = "GET /x/{} HTTP/1.1\r\nHost: x\r\nX-Large: " + "y" * 16_000 + "\r\n{}\r\n"
    async with hosted(app, tmp_path) as host:
        raw = request.format(1, "") + request.format(2, "Connection: close\r\n")
        received = await exchange(host.url, raw.encode())
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert 0 < received.index(b"1:16000") < received.index(b"2:16000")


async def test_host_json_limits_how_many_requests_are_here(tmp_path: Path) -> None:
    app = open_app()
    go_on, started = asyncio.Event(), asyncio.Event()

    @app.route("x")
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        started.set()
        await go_on.wait()
        return func.HttpResponse("done")

    json = HostJson(http=HttpOptions("", max_outstanding_requests=1, max_concurrent_requests=1))
    async with hosted(app, tmp_path, host_json=json) as host:
        first = asyncio.create_task(ask(host, "/x"))
        await started.wait()
        assert (await ask(host, "/x")).status == 429
        go_on.set()
        assert (await first).text == "done"
        assert (await ask(host, "/x")).text == "done"


async def test_host_json_limits_how_many_run_at_once(tmp_path: Path) -> None:
    app = open_app()
    now = most = 0

    @app.route("x")
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        await asyncio.sleep(0.01)
        now -= 1
        return func.HttpResponse("done")

    json = HostJson(http=HttpOptions("", max_concurrent_requests=2))
    async with hosted(app, tmp_path, host_json=json) as host:
        replies = await asyncio.gather(*(ask(host, "/x") for _ in range(8)))
    assert {reply.status for reply in replies} == {200}
    assert most == 2


PREFLIGHT = [("Origin", ORIGIN), ("Access-Control-Request-Method", "PUT"), ("Access-Control-Request-Headers", "x-a")]


@pytest.mark.parametrize(
    ("cors", "allowed"),
    [
        (Cors((ORIGIN,)), [ORIGIN]),
        (Cors(("*",)), ["*"]),
        (Cors(("*",), credentials=True), [ORIGIN]),
        (Cors(("https://other.example",)), []),
        (Cors(), []),
    ],
)
async def test_a_preflight_is_answered_for_listed_origins_only(tmp_path: Path, cors: Cors, allowed: list[str]) -> None:
    app = open_app()

    @app.route("x", methods=["GET"])
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("here")

    async with hosted(app, tmp_path, cors=cors) as host:
        preflight = await ask(host, "/whatever", "OPTIONS", PREFLIGHT)
        reply = await ask(host, "/x", headers=[("Origin", ORIGIN)])
        bare = await ask(host, "/x", "OPTIONS")
    assert (preflight.status, bare.status) == (204 if allowed else 404, 404)
    assert preflight.values("Access-Control-Allow-Origin") == allowed
    assert preflight.values("Access-Control-Allow-Methods") == (["PUT"] if allowed else [])
    assert preflight.values("Access-Control-Allow-Headers") == (["x-a"] if allowed else [])
    assert reply.values("Access-Control-Allow-Origin") == allowed
    assert reply.values("Access-Control-Allow-Credentials") == (["true"] if cors.credentials else [])


async def test_stopping_waits_for_what_runs_and_delivers_its_answer(tmp_path: Path) -> None:
    app = open_app()
    started, go_on = asyncio.Event(), asyncio.Event()

    @app.route("x")
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        started.set()
        await go_on.wait()
        return func.HttpResponse("done")

    host = FunctionsHost(index(app), {}, HostJson(http=HttpOptions("")), Options(home=tmp_path, port=0))
    await host.start()
    asking = asyncio.create_task(ask(host, "/x"))
    await started.wait()
    stopping = asyncio.create_task(host.stop(grace=30))
    await asyncio.sleep(0)
    with pytest.raises(OSError, match=r"."):
        await ask(host, "/x")
    go_on.set()
    assert (await asking).text == "done"
    assert await stopping == 0


async def test_stopping_gives_up_after_the_grace(tmp_path: Path) -> None:
    app = open_app()
    started, ended = asyncio.Event(), asyncio.Event()

    @app.route("x")
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        started.set()
        await ended.wait()
        return func.HttpResponse("too late")

    host = FunctionsHost(index(app), {}, HostJson(http=HttpOptions("")), Options(home=tmp_path, port=0))
    await host.start()
    asking = asyncio.create_task(ask(host, "/x"))
    await started.wait()
    assert await host.stop(grace=0.01) == 1
    ended.set()
    await asyncio.wait((asking,))
    assert asking.exception() is not None  # the connection was closed


def test_the_watchdog_finds_what_runs_too_long() -> None:
    started = {1: (100.0, "fine"), 2: (40.0, "stuck")}
    dog = Watchdog(started, timeout=50.0)
    assert dog.overdue(now=91.0) == "stuck"
    assert dog.overdue(now=90.0) is None


def test_the_watchdog_ends_the_process_even_when_the_loop_is_blocked() -> None:
    ended = threading.Event()
    dog = Watchdog({1: (time.monotonic() - 10, "stuck")}, timeout=0.01, end=ended.set)
    dog.start()
    assert ended.wait(30)
    dog.stop()
