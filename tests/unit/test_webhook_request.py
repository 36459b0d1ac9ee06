from __future__ import annotations

import json
from typing import Any

import pytest

from hub.errors import Invalid, LengthRequired, TooLarge, UnsupportedBody
from hub.sources.request import FORM_FIELDS, Request, body_document, check_transfer, expression_document, seen

LIMIT = 1000


def request(body: bytes = b"", content_type: str | None = None, **headers: str) -> Request:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type is not None:
        names["content-type"] = content_type
    return Request("POST", names, {"code": "host-key", "x": "1,2"}, body)


def checked_body(of: Request, limit: int) -> bytes:
    check_transfer(of, seen(of), limit)
    return body_document(of, limit)


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/json", b'{"a": 1}', {"a": 1}),
        ("application/json; charset=utf-8", b"[1, 2]", [1, 2]),
        ("application/cloudevents+json", b'{"id": "7"}', {"id": "7"}),
        ("application/x-www-form-urlencoded", b"a=1&b=x+y&a=2&c=", {"a": ["1", "2"], "b": "x y", "c": ""}),
        ("text/plain", "grüße".encode(), {"text": "grüße"}),
        ("text/csv; charset=iso-8859-1", "grün".encode("latin-1"), {"text": "grün"}),
        ("application/octet-stream", b"\x00\xff", {"content_type": "application/octet-stream", "base64": "AP8="}),
        (None, b"x", {"content_type": "application/octet-stream", "base64": "eA=="}),
        ("application/json", b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ("application/json", b"", {}),
        (None, b"", {}),
    ],
)
def test_every_kind_of_body_becomes_json(content_type: str | None, body: bytes, expected: Any) -> None:
    assert json.loads(body_document(request(body, content_type), LIMIT)) == expected


def test_json_goes_on_as_it_came() -> None:
    body = b'{ "a" : 1.50 }'
    assert body_document(request(body, "application/json"), LIMIT) is body


@pytest.mark.parametrize(
    ("refused", "error", "words"),
    [
        (request(b'{"a": 1, "a": 2}', "application/json"), Invalid, "a"),
        (request(b'{"a": NaN}', "application/json"), Invalid, "at /a"),
        (request(b"x", "multipart/form-data; boundary=b"), UnsupportedBody, "multipart/form-data is not taken"),
        (request(b"x", "text/plain; charset=klingon"), UnsupportedBody, "charset klingon"),
        (request(b"\xff", "text/plain"), Invalid, "byte 0"),
        (request(b"a=%ff", "application/x-www-form-urlencoded"), Invalid, "UTF-8"),
        (request(b"a=1&" * (FORM_FIELDS + 1), "application/x-www-form-urlencoded"), Invalid, "more than 1000"),
        (request(b"{}", "application/json", content_encoding="gzip"), UnsupportedBody, "gzip"),
        (request(b"", transfer_encoding="chunked"), LengthRequired, "Content-Length"),
        (request(b"x" * (LIMIT + 1), "text/plain"), TooLarge, "1001 bytes; at most 1000"),
        (request(b"\x00" * 900, "application/octet-stream"), TooLarge, "as JSON the body is"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_words(refused: Request, error: type[Exception], words: str) -> None:
    limit = 10_000 if b"&" in refused.body else LIMIT
    with pytest.raises(error, match=words):
        checked_body(refused, limit)


def test_expressions_see_no_credential() -> None:
    secret = {
        "authorization": "Bearer s3cret",
        "cookie": "s3cret",
        "x_functions_key": "s3cret",
        "x_ms_client_principal": "s3cret",
        "x_hub_signature_256": "s3cret",
    }
    told = seen(request(b"[]", "application/json", x_github_event="push", **secret))
    assert json.loads(expression_document(told, b"[]")) == {
        "body": [],
        "headers": {"content-type": "application/json", "x-github-event": "push"},
        "query": {"x": "1,2"},
    }
