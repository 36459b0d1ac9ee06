"""Where a naive emulation of the Functions host would mislead: over HTTP. Each test names what Azure does instead.

Timers, queues, Event Grid and indexing have such tests too, in their own files.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import azure.functions as func
import azure.functions.http
import pytest

from tests.hosting.support import ask, hosted, open_app, send


async def test_a_function_earlier_in_the_alphabet_hides_a_literal_route(tmp_path: Path) -> None:
    app = open_app()

    @app.route("items/search", methods=["GET"])
    async def search(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("search")

    @app.route("items/{id}", methods=["GET"])
    async def get_item(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(f"item {req.route_params['id']}")

    async with hosted(app, tmp_path) as host:
        assert (await ask(host, "/items/search")).text == "item search"


async def test_a_constraint_that_fails_lets_the_next_route_answer(tmp_path: Path) -> None:
    app = open_app()

    @app.route("items/{id:int}")
    async def get_item(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(f"item {req.route_params['id']}")

    @app.route("items/search")
    async def search(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("search")

    async with hosted(app, tmp_path) as host:
        assert (await ask(host, "/items/search")).text == "search"
        assert (await ask(host, "/items/7")).text == "item 7"
        assert (await ask(host, "/items/seven")).status == 404


async def test_an_underscore_sorts_after_letters_and_case_does_not_count(tmp_path: Path) -> None:
    app = open_app()
    for name in ("get_one", "getZ", "GETA"):

        def add(name: str) -> None:
            @app.function_name(name)
            @app.route("{x}")
            async def anything(req: func.HttpRequest) -> func.HttpResponse:
                return func.HttpResponse(name)

        add(name)
    async with hosted(app, tmp_path) as host:
        assert [each.name for each in host.functions] == ["GETA", "getZ", "get_one"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
async def test_a_wrong_method_is_404_never_405_and_get_implies_no_head(tmp_path: Path, method: str) -> None:
    app = open_app()

    @app.route("only-get", methods=["GET"])
    async def only_get(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("here")

    async with hosted(app, tmp_path) as host:
        reply = await ask(host, "/only-get", method)
    assert (reply.status, reply.body, reply.values("Allow")) == (404, b"", [])


async def test_a_wrong_method_falls_through_to_the_next_route(tmp_path: Path) -> None:
    app = open_app()

    @app.route("thing", methods=["GET"])
    async def a_get(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("get")

    @app.route("{*any}")
    async def b_any(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(f"any {req.method}")

    async with hosted(app, tmp_path) as host:
        assert (await ask(host, "/thing", "PUT")).text == "any PUT"


async def _echoed(tmp_path: Path, target: str, **request: Any) -> dict[str, Any]:
    """What a handler saw of one request."""
    app = open_app()

    @app.route("{*path}")
    async def echo(req: func.HttpRequest) -> func.HttpResponse:
        seen = {
            "method": req.method,
            "url": req.url,
            "params": dict(req.params),
            "headers": dict(req.headers),
            "route": dict(req.route_params),
            "body": req.get_body().decode("latin-1"),
            "class": f"{type(req).__module__}.{type(req).__name__}",
        }
        return func.HttpResponse(json.dumps(seen), mimetype="application/json")

    async with hosted(app, tmp_path) as host:
        reply = await ask(host, target, **request)
        assert reply.status == 200, reply
        seen: dict[str, Any] = json.loads(reply.body)
        return seen


async def test_a_query_key_with_an_empty_value_is_absent(tmp_path: Path) -> None:
    seen = await _echoed(tmp_path, "/x?a=1&flag&empty=&b=")
    assert seen["params"] == {"a": "1"}
    assert seen["url"].endswith("/x?a=1&flag&empty=&b=")


async def test_repeated_query_keys_are_joined_with_commas(tmp_path: Path) -> None:
    seen = await _echoed(tmp_path, "/x?a=1&B=2&a=3&a=&b=4&c=x%26y+z")
    assert seen["params"] == {"a": "1,3", "B": "2,4", "c": "x&y z"}


async def test_repeated_headers_are_joined_with_commas_and_names_are_lower_case(tmp_path: Path) -> None:
    seen = await _echoed(tmp_path, "/x", headers=[("X-Tag", "one"), ("x-tag", ""), ("X-TAG", "two"), ("Host", "plant")])
    assert seen["headers"]["x-tag"] == "one,two"
    assert seen["headers"]["host"] == "plant"
    assert seen["url"] == "http://plant/x"


async def test_a_chunked_request_body_arrives_empty(tmp_path: Path) -> None:
    seen = await _echoed(
        tmp_path,
        "/x",
        method="POST",
        headers=[("Transfer-Encoding", "chunked")],
        body=b"5\r\nhello\r\n0\r\n\r\n",
        length=False,
    )
    assert seen["body"] == ""


async def test_a_body_with_a_length_arrives_byte_for_byte(tmp_path: Path) -> None:
    body = bytes(range(256))
    seen = await _echoed(tmp_path, "/x", method="POST", headers=[("Content-Encoding", "gzip")], body=body)
    assert seen["body"].encode("latin-1") == body


async def test_the_request_is_the_class_that_the_worker_builds(tmp_path: Path) -> None:
    app = open_app()
    raised: list[type[BaseException]] = []

    @app.route("x")
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        assert type(req) is azure.functions.http.HttpRequest
        try:
            req.get_json()
        except ValueError as error:
            raised.append(type(error))
        return func.HttpResponse()

    async with hosted(app, tmp_path) as host:
        assert (await ask(host, "/x", "POST", body=b"{not json")).status == 200
    assert raised == [
        ValueError
    ]  # json.JSONDecodeError with the public class: code that catches that one fails on Azure


@pytest.mark.parametrize("returned", [None, {"a": 1}, ["a"], ("a", 200), 7, b"bytes"])
async def test_a_handler_that_returns_anything_but_a_response_is_a_500(tmp_path: Path, returned: object) -> None:
    app = open_app()

    @app.route("x")
    async def handler(req: func.HttpRequest) -> Any:
        return returned

    del handler._function._func.__annotations__["return"]
    async with hosted(app, tmp_path) as host:
        reply = await ask(host, "/x")
    assert (reply.status, reply.body) == (500, b"")


async def test_of_several_headers_with_one_name_the_last_is_sent(tmp_path: Path) -> None:
    app = open_app()

    @app.route("x")
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        response = func.HttpResponse("x")
        response.headers.add("X-Tag", "one")
        response.headers.add("x-tag", "two")
        response.headers.add("Set-Cookie", "a=1; Path=/")
        response.headers.add("Set-Cookie", "b=2; HttpOnly")
        return response

    async with hosted(app, tmp_path) as host:
        reply = await ask(host, "/x")
    assert reply.values("X-Tag") == ["two"]
    assert reply.values("Set-Cookie") == ["a=1; path=/", "b=2; httponly"]


async def test_an_exception_is_a_500_with_an_empty_body(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = open_app()

    @app.route("x")
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        raise RuntimeError("the details")

    async with hosted(app, tmp_path) as host:
        reply = await ask(host, "/x")
    assert (reply.status, reply.body) == (500, b"")
    assert "the details" in caplog.text


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_a_handler_runs_to_its_end_when_its_caller_goes_away(tmp_path: Path, kind: str) -> None:
    app = open_app()
    loop = asyncio.get_running_loop()
    started, ended, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        await go_on.wait()
        await asyncio.sleep(0)
        ended.set()

    @app.route("async")
    async def waits(req: func.HttpRequest) -> func.HttpResponse:
        await work()
        return func.HttpResponse("too late")

    @app.route("thread")
    def blocks(req: func.HttpRequest) -> func.HttpResponse:
        asyncio.run_coroutine_threadsafe(work(), loop).result()
        return func.HttpResponse("too late")

    async with hosted(app, tmp_path) as host:
        asking = asyncio.create_task(ask(host, f"/{kind}"))
        await started.wait()
        asking.cancel()
        await asyncio.wait((asking,))
        reply = await ask(host, "/none")  # the host has noticed by now that the first connection is closed
        assert reply.status == 404
        go_on.set()
        async with asyncio.timeout(30):
            await ended.wait()


async def test_the_caller_gets_a_502_when_the_load_balancer_gives_up_and_the_function_goes_on(tmp_path: Path) -> None:
    app = open_app()
    go_on, ended = asyncio.Event(), asyncio.Event()

    @app.route("x")
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        await go_on.wait()
        ended.set()
        return func.HttpResponse("too late")

    async with hosted(app, tmp_path, http_seconds=0.05) as host:
        reply = await ask(host, "/x")
        assert (reply.status, reply.body) == (502, b"")
        go_on.set()
        async with asyncio.timeout(30):
            await ended.wait()


async def test_an_optional_parameter_that_is_not_given_is_absent(tmp_path: Path) -> None:
    seen = await _echoed(tmp_path, "/")
    assert seen["route"] == {}


async def test_an_unknown_address_is_a_404_without_a_body(tmp_path: Path) -> None:
    async with hosted(open_app(), tmp_path) as host:
        reply = await ask(host, "/nothing")
        assert (reply.status, reply.body) == (404, b"")
        home = await ask(host, "/")
        assert (home.status, home.values("Content-Type")) == (200, ["text/html; charset=utf-8"])


async def test_the_worker_sees_who_called_as_the_front_end_tells_it(tmp_path: Path) -> None:
    seen = await _echoed(tmp_path, "/x", headers=[("X-Forwarded-For", "6.6.6.6")])
    claimed, real = seen["headers"]["x-forwarded-for"].split(", ")
    assert claimed == "6.6.6.6"
    assert real.startswith("127.0.0.1:")


async def test_http_1_1_without_a_host_is_refused_and_1_0_is_answered_without_chunks(tmp_path: Path) -> None:
    app = open_app()

    @app.route("x")
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("here")

    async with hosted(app, tmp_path) as host:
        assert (await send(host.url, b"GET /x HTTP/1.1\r\nConnection: close\r\n\r\n")).status == 400
        old = await send(host.url, b"GET /x HTTP/1.0\r\n\r\n")
        assert (old.status, old.body, old.values("Transfer-Encoding")) == (200, b"here", [])
        new = await ask(host, "/x")
        assert (new.body, new.values("Transfer-Encoding"), new.values("Content-Length")) == (b"here", ["chunked"], [])
