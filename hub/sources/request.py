"""A webhook's request as expressions see it: body, headers by allow-list, query without keys. Pure."""

from __future__ import annotations

import base64
import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl

from pydantic import JsonValue

from hub.errors import Invalid, LengthRequired, TooLarge, UnsupportedBody
from hub.rules import strict_json
from hub.rules.charsets import charset_of, codec_of

HEADERS = frozenset(
    {
        "ce-id",
        "ce-source",
        "ce-specversion",
        "ce-subject",
        "ce-time",
        "ce-type",
        "content-type",
        "user-agent",
        "webhook-id",
        "webhook-timestamp",
        "x-correlation-id",
        "x-event-key",
        "x-github-delivery",
        "x-github-event",
        "x-github-hook-id",
        "x-gitlab-event",
        "x-gitlab-event-uuid",
        "x-request-id",
        "x-shopify-shop-domain",
        "x-shopify-topic",
    }
)
"""What expressions may read. Never a credential, a cookie, a key or a signature: those must not reach a payload."""
HIDDEN_QUERY = frozenset({"code", "wait"})
"""The Functions host's key, and how long the caller waits: not the caller's data."""
FORM_FIELDS = 1000
MOST_SEEN_BYTES = 24 * 1024
"""Of headers and query: they are kept in one column of a row, which JSON's escapes must not make too small."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a caller sent. Header names in lower case."""

    method: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Seen:
    """What expressions and receipts see of a request beside its body: no credential, no signature."""

    headers: Mapping[str, str]
    query: Mapping[str, str]

    @property
    def size(self) -> int:
        """In bytes."""
        both = (self.headers, self.query)
        return sum(len(name.encode()) + len(value.encode()) for each in both for name, value in each.items())


def seen(request: Request, *, hidden_header: str | None = None, hidden_query: str | None = None) -> Seen:
    """Headers by allow-list and the query without keys; and without those that the source's verification names."""
    headers = {
        name: whole(value) for name, value in request.headers.items() if name in HEADERS and name != hidden_header
    }
    query = {
        whole(name): whole(value)
        for name, value in request.query.items()
        if name not in HIDDEN_QUERY and name != hidden_query
    }
    return Seen(headers, query)


def body_document(request: Request, max_bytes: int) -> bytes:
    """The body as JSON text.

    JSON as it came, once it has been read strictly; a form as an object; text as `{"text"}`; anything else as
    `{"content_type", "base64"}`; no body as `{}`. Raises `UnsupportedBody`, `TooLarge`, `Invalid`.
    """
    if not request.body:
        return b"{}"
    content_type = Message()
    content_type["content-type"] = request.headers.get("content-type") or "application/octet-stream"
    kind = content_type.get_content_type()
    if kind == "application/json" or kind.endswith("+json"):
        strict_json.read(request.body)
        return request.body.removeprefix(codecs.BOM_UTF8)  # it is let pass, and would be no JSON inside a document
    charset = charset_of(request.headers.get("content-type", ""))
    document = strict_json.write(_document(kind, charset, request.body))
    if len(document) > max_bytes:
        raise TooLarge(f"as JSON the body is {len(document)} bytes; at most {max_bytes} are taken")
    return document


def expression_document(told: Seen, body: bytes) -> bytes:
    """`{body, headers, query}` as JSON text, the body put in as it is."""
    headers: dict[str, JsonValue] = dict(told.headers)
    query: dict[str, JsonValue] = dict(told.query)
    rest = strict_json.write({"headers": headers, "query": query})
    return b'{"body":' + body + b"," + rest[1:]


def check_transfer(request: Request, told: Seen, max_bytes: int) -> None:
    """Raises `LengthRequired`, `UnsupportedBody`, `TooLarge`: it can be refused before anybody looks inside."""
    if told.size > MOST_SEEN_BYTES:
        raise TooLarge(f"headers and query are {told.size} bytes; at most {MOST_SEEN_BYTES} are taken")
    if "transfer-encoding" in request.headers and "content-length" not in request.headers:
        raise LengthRequired
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedBody(f"a body encoded as {encoding[:40]} is not taken: send it without Content-Encoding")
    if len(request.body) > max_bytes:
        raise TooLarge(f"the body is {len(request.body)} bytes; at most {max_bytes} are taken")


def whole(text: str) -> str:
    """Without halves of surrogate pairs, which no JSON can hold."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _document(kind: str, charset: str, body: bytes) -> Any:
    if kind == "application/x-www-form-urlencoded":
        return _form(_text(body, charset))
    if kind == "multipart/form-data":
        raise UnsupportedBody("multipart/form-data is not taken: send JSON, a urlencoded form, text, or plain bytes")
    if kind.startswith("text/"):
        return {"text": _text(body, charset)}
    return {"content_type": kind, "base64": base64.b64encode(body).decode()}


def _text(body: bytes, charset: str) -> str:
    codec = codec_of(charset)
    if codec is None:
        raise UnsupportedBody(f"the charset {charset[:40]} is not known")
    try:
        return body.decode(codec)
    except UnicodeDecodeError as error:
        raise Invalid(f"the body is not {charset[:40]}: byte {error.start} cannot be read") from None


def _form(text: str) -> dict[str, str | list[str]]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FORM_FIELDS, errors="strict")
    except UnicodeDecodeError:
        raise Invalid("the form is not UTF-8") from None
    except ValueError:
        raise Invalid(f"the form has more than {FORM_FIELDS} fields") from None
    form: dict[str, str | list[str]] = {}
    for name, value in pairs:
        before = form.get(name)
        if before is None:
            form[name] = value
        else:
            form[name] = [*before, value] if isinstance(before, list) else [before, value]
    return form
