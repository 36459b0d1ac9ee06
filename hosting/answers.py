"""Turns what a handler returned into what goes over the wire, by the worker's converter and the host's rules.

Whatever the worker could not encode, or the web server would refuse to send, is a BadAnswer: the caller gets a 500 with
an empty body, the log says why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError
from typing import Any

from aiohttp import web
from azure.functions import HttpResponse
from azure.functions.http import HttpResponseConverter
from multidict import CIMultiDict

from hosting.cookies import cookie_headers

SERVER = "functions"  # instead of telling the versions of Python and aiohttp
_SENDABLE = re.compile(r"[\t\x20-\x7e]*").fullmatch
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_BODILESS = (204, 205, 304)


class BadAnswer(Exception):
    """What the function returned cannot be an HTTP answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and body, ready to be sent."""

    status: int
    headers: CIMultiDict[str]
    body: bytes


def encode(returned: object) -> Answer:
    """The answer for the return value of an HTTP function; raises BadAnswer if it is none."""
    if isinstance(returned, str):
        return _from_text(returned)
    if not isinstance(returned, HttpResponse):
        raise BadAnswer(f"an HTTP function must return func.HttpResponse, not {type(returned).__name__}")
    try:
        value = HttpResponseConverter.encode(returned, expected_type=None).value
        cookies = cookie_headers(value["cookies"]) if value["cookies"] else ()
    except (CookieError, ValueError, OverflowError, UnicodeError) as error:
        raise BadAnswer(f"{type(error).__name__}: {error}") from error
    headers = {name: datum.value for name, datum in value["headers"].items()}
    return _answer(_status(value["status_code"].value), headers, cookies, value["body"].value)


def _status(text: str) -> int:
    """As the host parses it: what is not a number is 200."""
    try:
        return int(text)
    except ValueError:
        return 200


def _answer(status: int, headers: Mapping[str, str], cookies: tuple[str, ...], body: bytes) -> Answer:
    if not 200 <= status <= 999:
        raise BadAnswer(f"{status} is not a status that an answer can have")
    if body and status in _BODILESS:
        raise BadAnswer(f"an answer with status {status} must not have a body")
    sent: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        _check_header(name, value)
        sent[name] = value  # the last of one name wins
    for cookie in cookies:
        _check_header("Set-Cookie", cookie)
        sent.add("Set-Cookie", cookie)
    _check_length(sent, body)
    sent.setdefault("Server", SERVER)
    return Answer(status, sent, body)


def _check_header(name: str, value: str) -> None:
    if not _NAME(name) or not _SENDABLE(value):
        raise BadAnswer(f"the header {name!r} has a character that the web server refuses to send")


def _check_length(headers: CIMultiDict[str], body: bytes) -> None:
    if "Transfer-Encoding" in headers:
        raise BadAnswer("Transfer-Encoding is the web server's to set")
    length = headers.get("Content-Length")
    if length is not None and length != str(len(body)):
        raise BadAnswer(f"Content-Length is {length}, but the body has {len(body)} bytes")


def _from_text(text: str) -> Answer:
    """A plain string: the host takes JSON in it apart, which is why a function had better return HttpResponse."""
    try:
        content = json.loads(text)
    except ValueError:
        return _plain(200, {}, text)
    if not isinstance(content, dict):
        return _plain(200, {}, _dump(content)) if isinstance(content, list) else _plain(200, {}, text)
    folded = {name.lower(): value for name, value in content.items()}
    if "body" not in folded:
        return _plain(200, {}, _dump(content))
    headers = folded.get("headers")
    return _plain(
        _status(str(folded.get("statuscode", folded.get("status", 200)))),
        {name: str(value) for name, value in headers.items()} if isinstance(headers, dict) else {},
        folded["body"] if isinstance(folded["body"], str) else _dump(folded["body"]),
    )


def _plain(status: int, headers: Mapping[str, str], text: str) -> Answer:
    typed = (
        {} if any(name.lower() == "content-type" for name in headers) else {"content-type": "text/plain; charset=utf-8"}
    )
    try:
        body = text.encode()
    except UnicodeEncodeError as error:
        raise BadAnswer("the text has a lone surrogate, which is not UTF-8") from error
    return _answer(status, {**typed, **headers}, (), body)


def _dump(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False)


def plain_answer(status: int, text: str = "", content_type: str = "text/plain; charset=utf-8") -> Answer:
    """An answer of the host itself: a status, and a text if there is something to say."""
    headers: CIMultiDict[str] = CIMultiDict({"Server": SERVER})
    if text:
        headers["Content-Type"] = content_type
    return Answer(status, headers, text.encode())


def to_response(answer: Answer, is_http_1_1: bool) -> web.Response:
    """The answer as aiohttp sends it: chunked when the function gave no Content-Length, as the real host does."""
    response = web.Response(status=answer.status, headers=answer.headers, body=answer.body or None)
    if answer.body and is_http_1_1 and "Content-Length" not in answer.headers:
        response.enable_chunked_encoding()
    return response
