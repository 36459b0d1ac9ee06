"""Output bindings: what a function puts into `func.Out`, or returns, and what of it goes on the wire."""

from __future__ import annotations

import json
from typing import Any

import azure.functions
from azure.functions.decorators.core import Binding

from hosting.signatures import converter


class Out(azure.functions.Out[Any]):
    """The holder a handler is given for one output. Nothing is sent before the handler has succeeded."""

    def __init__(self) -> None:
        self._value: Any = None

    def set(self, val: Any) -> None:
        self._value = val

    def get(self) -> Any:
        return self._value


def encode_output(binding: Binding, value: Any) -> list[bytes]:
    """The messages that a value of a queue output stands for: one, or one for each item of a list.

    Raises TypeError for a value that the worker could not encode.
    """
    try:
        datum = converter(str(binding.type)).encode(value, expected_type=None)
    except NotImplementedError as error:
        raise TypeError(f"`{binding.name}` cannot put out a value of type {type(value).__name__}") from error
    if datum.type == "bytes":
        return [datum.value]
    if datum.type == "string":
        return [datum.value.encode()]
    content = json.loads(datum.value)
    return [_message(item) for item in content] if isinstance(content, list) else [_message(content)]


def _message(item: Any) -> bytes:
    """An item is a text, or a QueueMessage as the converter writes it: `{"id", "body"}`, of which the body counts."""
    return (item if isinstance(item, str) else str(item["body"])).encode()
