"""Which Python values are JSON, by the same rules as `strict_json.read`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from hub.errors import Invalid
from hub.rules import json_places as places

MAX_DEPTH = 64
MIN_INTEGER = -(2**63)
MAX_INTEGER = 2**64 - 1

INTEGER_RANGE = f"an integer is between {MIN_INTEGER} and {MAX_INTEGER}; a longer one is sent as a string"
FINITE = "a number is finite and at most 1.8e308; NaN and Infinity are not JSON"
WHOLE_PAIRS = "half of a surrogate pair is not a character; \\ud800 to \\udfff come in pairs, high before low"
TOO_DEEP = f"at most {MAX_DEPTH} objects and arrays may lie within each other"

Charge: TypeAlias = Callable[[int], None]
"""Told, object by object and array by array, how many more bytes of JSON there are at least. Raises to stop."""

_Waiting: TypeAlias = list[tuple[places.Path, int, Any]]
"""Objects and arrays still to be looked into: path, their depth (the outermost has 1), they themselves."""


@dataclass(frozen=True, slots=True)
class Refused:
    """What is wrong with a part of a value, or with its entry `key`.

    The reader also puts it where something must not be, so that its pointer is found here.
    """

    why: str
    key: str | None = None


def check(value: object, charge: Charge | None = None) -> None:
    """See that a value is JSON. Raises `Invalid` with the JSON pointer of a part that is not.

    A value may hold the same part many times and be enormous only when it is written out: with `charge` the caller
    sees it grow and can stop in time.
    """
    waiting: _Waiting = []
    size = _check_children(None, 0, [(None, value)], waiting)
    while waiting:
        if charge:
            charge(size)
        path, depth, node = waiting.pop()
        if type(node) is dict:
            size = _check_keys(path, node) + _check_children(path, depth, node.items(), waiting)
        else:
            size = _check_children(path, depth, enumerate(node), waiting)
    if charge:
        charge(size)


def _check_children(
    parent: places.Path, depth: int, children: Iterable[tuple[str | int | None, Any]], waiting: _Waiting
) -> int:
    """One loop without a call for each child, because it runs over megabytes. Answers their bytes, at least."""
    size = 0
    for step, child in children:
        kind = type(child)
        size += 2
        if kind is str:
            fine = child.isascii() or _is_whole(child)
            size += len(child)
        elif kind is int:
            fine = MIN_INTEGER <= child <= MAX_INTEGER
        elif kind is dict or kind is list:
            fine = depth < MAX_DEPTH
            if child:
                waiting.append((_to(parent, step), depth + 1, child))
        else:
            fine = math.isfinite(child) if kind is float else kind is bool or child is None
        if not fine:
            raise _refusal(_to(parent, step), child)
    return max(0, size - 1)  # each was counted with a comma, and the last has none


def _check_keys(path: places.Path, node: dict[Any, Any]) -> int:
    """Answers the keys' bytes, at least."""
    size = 0
    for key in node:
        if type(key) is not str:
            raise places.refusal(places.pointer((path, str(key))), "the keys of an object are strings")
        if not _is_whole(key):
            raise places.refusal(places.pointer((path, key)), WHOLE_PAIRS)
        size += len(key) + 3
    return size


def _to(parent: places.Path, step: str | int | None) -> places.Path:
    return None if step is None else (parent, step)


def _is_whole(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refusal(path: places.Path, node: object) -> Invalid:
    if isinstance(node, Refused) and node.key is not None:
        path = (path, node.key)
    return places.refusal(places.pointer(path), _why(node))


def _why(node: object) -> str:
    if isinstance(node, Refused):
        return node.why
    kind = type(node)
    return _RULES.get(kind, f"a Python {kind.__name__} is not JSON")


_RULES = {str: WHOLE_PAIRS, float: FINITE, int: INTEGER_RANGE, list: TOO_DEEP, dict: TOO_DEEP}
"""What a value of this type broke, when it was refused."""
