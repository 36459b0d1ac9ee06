"""What Viewers do not see of payloads and results: the fields that an EventType's `redact` names. Pure.

A path names fields: `customer.iban`, `orders[*].card`, `"x-token"`, `headers.*`. It goes through lists by itself, so
that `orders.card` hides the card of every order: a path that is written a little differently from the document must not
show what it was to hide. For the same reason there are no indexes and no functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from typing import Final, TypeAlias

from pydantic import JsonValue

from hub.errors import Invalid
from hub.rules import expressions
from hub.rules.expression_parsing import Node

MARK: Final = "[redacted]"
MOST_PATHS: Final = 50
_ALLOWED: Final = 'a path is fields, "quoted fields", * and [*], joined by dots'


class Every(Enum):
    """A step that is no field of some name."""

    FIELD = "*"
    ELEMENT = "[*]"


Steps: TypeAlias = tuple[str | Every, ...]


@lru_cache(maxsize=1024)
def path(text: str) -> Steps:
    """A path, parsed. Raises `Invalid` saying what is allowed."""
    return _steps(expressions.tree(text))


def redacted(document: JsonValue, paths: Sequence[Steps]) -> JsonValue:
    """A copy with a mark in the place of whatever these paths name. The document itself stays as it is."""
    for steps in paths:
        document = _without(document, steps)
    return document


def _without(value: JsonValue, steps: Steps) -> JsonValue:
    if not steps:
        return MARK
    first, rest = steps[0], steps[1:]
    if isinstance(value, list):
        return [_without(each, rest if first is Every.ELEMENT else steps) for each in value]
    if first is Every.ELEMENT:
        return _without(value, rest)
    if not isinstance(value, dict):
        return value
    if isinstance(first, Every):
        return {name: _without(each, rest) for name, each in value.items()}
    return {**value, first: _without(value[first], rest)} if first in value else value


def _steps(node: Node) -> Steps:
    children = node["children"]
    match node["type"]:
        case "field":
            return (node["value"],)
        case "identity" | "current":
            return ()
        case "subexpression":
            return tuple(step for child in children for step in _steps(child))
        case "flatten":  # of a projection: lists are gone through anyway
            return _steps(children[0])
        case "projection":
            return (*_steps(children[0]), Every.ELEMENT, *_steps(children[1]))
        case "value_projection":
            return (*_steps(children[0]), Every.FIELD, *_steps(children[1]))
        case _:
            raise Invalid(f"is more than a path to fields: {_ALLOWED}")
