"""Columns as text, and back: one JSON object a row, with bytes as `{"$": base64}`.

JSON, because it round-trips text, integers, booleans and floats exactly and apart (`1`, `1.0`, `true`), because Python
and SQLite both read and write it in C, and because SQLite can then choose rows and columns by itself, without holding
up the event loop. No value is ever an object otherwise, so the mark for bytes needs no escape. Equal values have equal
text, which is how `where` compares. The format is part of the schema's number (`database.py`).
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hub.storage.ports import Value, Values

_BYTES: Final = "$"
_BYTES_TEXT: Final = '{"$":'
"""Cannot occur inside a text value: there the quotes would be escaped."""


def encode(values: Values) -> str:
    """The text of a row's columns."""
    return _json(dict(values))


def decode(text: str) -> dict[str, Value]:
    """A row's columns."""
    values: dict[str, Any] = json.loads(text)
    return _with_bytes(values) if _BYTES_TEXT in text else values


def path(column: str) -> str:
    """The column's address in SQLite's JSON functions."""
    return f'$."{column}"'


def encode_list(values: Sequence[Value | None]) -> str:
    """What SQLite's `json_extract` answers for several paths that hold these values; None is one that is not there."""
    return _json(list(values))


def decode_list(columns: Sequence[str], text: str) -> dict[str, Value]:
    """The columns that `json_extract` found, of those it was asked for; null is one that is not there."""
    found: list[Any] = json.loads(text)
    values = {column: value for column, value in zip(columns, found, strict=False) if value is not None}
    return _with_bytes(values) if _BYTES_TEXT in text else values


def _with_bytes(values: Mapping[str, Any]) -> dict[str, Value]:
    return {name: b64decode(v[_BYTES]) if type(v) is dict else v for name, v in values.items()}


def _wrap(value: object) -> dict[str, str]:
    if not isinstance(value, bytes):
        raise TypeError(f"A column cannot hold a {type(value).__name__}")
    return {_BYTES: b64encode(value).decode()}


_json = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"), default=_wrap
).encode
