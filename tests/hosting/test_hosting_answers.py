"""What a handler returns, and what of it goes over the wire."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import azure.functions as func
import pytest

from hosting.answers import BadAnswer, encode
from tests.hosting.support import Reply, ask, hosted, open_app


def response(body: str | bytes | None = None, *cookies: str, **keywords: object) -> func.HttpResponse:
    made = func.HttpResponse(body, **keywords)  # type: ignore[arg-type] # each case has its own
    for cookie in cookies:
        made.headers.add("Set-Cookie", cookie)
    return made


@pytest.mark.parametrize(
    ("returned", "content_type"),
    [
        (response("x"), "text/plain; charset=utf-8"),
        (response("x", mimetype="text/html"), "text/html; charset=utf-8"),
        (response("x", mimetype="text/html", charset="latin-1"), "text/html; charset=latin-1"),
        (response("{}", mimetype="application/json"), "application/json"),
        (response("x", headers={"Content-Type": "image/png"}), "image/png"),
        (response("x", headers={"CONTENT-TYPE": "image/png"}, mimetype="text/html"), "image/png"),
    ],
)
def test_the_content_type_is_the_header_else_the_mimetype(returned: func.HttpResponse, content_type: str) -> None:
    assert encode(returned).headers.getall("Content-Type") == [content_type]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: response("x", status_code=204), "must not have a body"),
        (lambda: response("x", status_code=304), "must not have a body"),
        (lambda: response("", status_code=101), "not a status"),
        (lambda: response("x", headers={"X-Name": "Zoë"}), "refuses to send"),
        (lambda: response("x", headers={"X-Name": "a\udc80"}), "refuses to send"),
        (lambda: response("x", headers={"X Name": "a"}), "refuses to send"),
        (lambda: response("x", headers={"Content-Length": "2"}), "Content-Length is 2"),
        (lambda: response("x", headers={"Transfer-Encoding": "chunked"}), "web server's to set"),
        (lambda: response("x", "a=1; Expires=never"), "never"),
        (lambda: response("x", "a=1; Max-Age=soon"), "soon"),
        (lambda: "\ud800", "surrogate"),
        (lambda: None, "NoneType"),
        (lambda: {"body": 1}, "dict"),
    ],
)
def test_what_cannot_be_sent_is_refused(make: Callable[[], object], reason: str) -> None:
    with pytest.raises(BadAnswer, match=reason):
        encode(make())


def test_numbers_in_headers_become_text_and_a_status_that_is_none_becomes_200() -> None:
    answer = encode(response("x", headers={"X-Count": 7}, status_code="what"))
    assert (answer.headers["X-Count"], answer.status) == ("7", 200)


@pytest.mark.parametrize(
    ("cookie", "sent"),
    [
        ("a=1", "a=1"),
        ("a=x/y=; Path=/", "a=x%2Fy%3D; path=/"),
        (
            "s=v; HttpOnly; Secure; SameSite=Lax; Path=/; Max-Age=60; Domain=plant.example",
            "s=v; max-age=60; domain=plant.example; path=/; secure; samesite=lax; httponly",
        ),
        ("s=; Max-Age=0", "s=; max-age=0"),
        ("a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "a=1; expires=Wed, 21 Oct 2026 07:28:00 GMT"),
        ("a=1; Expires=2026-10-21T09:28:00+02:00", "a=1; expires=Wed, 21 Oct 2026 07:28:00 GMT"),
        ("a=1; SameSite=None; Secure", "a=1; secure; samesite=none"),
    ],
)
def test_a_cookie_is_written_again_in_the_hosts_own_way(cookie: str, sent: str) -> None:
    assert encode(response("x", cookie)).headers.getall("Set-Cookie") == [sent]


@pytest.mark.parametrize(
    ("text", "status", "body"),
    [
        ("hello", 200, "hello"),
        ('{"a":1}', 200, '{\n  "a": 1\n}'),
        ('{"status": 201, "body": "made"}', 201, "made"),
        ('{"statusCode": "404", "Body": {"a": 1}, "headers": {"X-Tag": 7}}', 404, '{\n  "a": 1\n}'),
        ("[1]", 200, "[\n  1\n]"),
    ],
)
def test_a_plain_string_is_taken_apart_if_it_is_json(text: str, status: int, body: str) -> None:
    answer = encode(text)
    assert (answer.status, answer.body.decode()) == (status, body)


def test_an_attribute_that_python_does_not_know_is_no_attribute() -> None:
    unknown = encode(response("x", "a=1; Path=/; Unknown=1"))
    assert unknown.headers.getall("Set-Cookie") == ["a=1; path=/", "Unknown=1"]
    assert "Set-Cookie" not in encode(response("x", "a=1; Path=/; Unknown")).headers


async def _answer(tmp_path: Path, returned: object, method: str = "GET") -> Reply:
    app = open_app()

    @app.route("x", methods=["GET", "HEAD"])
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        return returned  # type: ignore[return-value]

    async with hosted(app, tmp_path) as host:
        return await ask(host, "/x", method)


async def test_head_sends_the_headers_and_no_body(tmp_path: Path) -> None:
    reply = await _answer(tmp_path, response("body", headers={"X-Tag": "1"}), "HEAD")
    assert (reply.status, reply.values("X-Tag"), reply.body) == (200, ["1"], b"")


async def test_a_content_length_that_is_right_is_sent_instead_of_chunks(tmp_path: Path) -> None:
    reply = await _answer(tmp_path, response("body", headers={"Content-Length": "4"}))
    assert (reply.values("Content-Length"), reply.values("Transfer-Encoding"), reply.body) == (["4"], [], b"body")


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_may_have_a_status_that_forbids_one(tmp_path: Path, status: int) -> None:
    reply = await _answer(tmp_path, response(status_code=status))
    assert (reply.status, reply.body) == (status, b"")


async def test_a_refused_answer_is_an_empty_500_and_the_log_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reply = await _answer(tmp_path, response("x", headers={"X-Name": "Zoë"}))
    assert (reply.status, reply.body) == (500, b"")
    assert "handler: the header 'X-Name'" in caplog.text


async def test_the_server_does_not_tell_its_versions(tmp_path: Path) -> None:
    reply = await _answer(tmp_path, response("x"))
    assert reply.values("Server") == ["functions"]
