"""Receipts as JSON text, on events and in rows of their own.

Without defaults, to keep them small. What a later release adds is ignored by this one, which reads it while an update
rolls out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import TypeAdapter

from hub.model.receipt import Line, Receipt
from hub.storage.ports import Value

_RECEIPT: Final = TypeAdapter(Receipt)
_LINES: Final = TypeAdapter(tuple[Line, ...])


def encode_receipt(receipt: Receipt) -> bytes:
    return _RECEIPT.dump_json(receipt, exclude_defaults=True)


def decode_receipt(text: Value) -> Receipt:
    assert isinstance(text, bytes)
    return _RECEIPT.validate_json(text)


def encode_lines(lines: Sequence[Line]) -> bytes:
    return _LINES.dump_json(tuple(lines), exclude_defaults=True)


def decode_lines(text: Value) -> tuple[Line, ...]:
    assert isinstance(text, bytes)
    return _LINES.validate_json(text)
