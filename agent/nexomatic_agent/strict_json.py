"""JSON as the hub takes it, so that a task hears from its own log, not from the hub's refusal, what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Optional

DEEPEST = 64
SMALLEST_INTEGER, LARGEST_INTEGER = -(2**63), 2**64 - 1


class NotStrict(ValueError):
    """The hub would refuse this document."""


def read_strict(content: bytes) -> Any:
    """The document: UTF-8, at most 64 levels deep, no NaN or Infinity, integers within 64 bit, no lone surrogate, no
    name twice in an object. Raises NotStrict."""
    try:
        document = json.loads(
            content.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer
        )
    except NotStrict:
        raise
    except (ValueError, RecursionError) as error:
        raise NotStrict(str(error) or "it is nested too deeply") from None
    _check(document, 1)
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise NotStrict(f"{_twice(name for name, _ in pairs)!r} is there twice in one object")
    return document


def _twice(names: Iterable[str]) -> Optional[str]:
    """The first name that was there before. A task may write a hundred thousand: each is looked at once."""
    seen: set[str] = set()
    return next((name for name in names if name in seen or seen.add(name)), None)  # type: ignore[func-returns-value]


def _constant(name: str) -> None:
    raise NotStrict(f"{name} is not a number in JSON")


def _integer(text: str) -> int:
    # The length first: a number of a million digits takes minutes to read.
    if len(text) > 20 or not SMALLEST_INTEGER <= int(text) <= LARGEST_INTEGER:
        raise NotStrict("a whole number does not fit into 64 bit; write it as a string")
    return int(text)


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, float):
        if value in (float("inf"), float("-inf")):
            raise NotStrict("a number is too large for a 64-bit float")
    elif isinstance(value, (dict, list)):
        if depth > DEEPEST:
            raise NotStrict(f"it is nested more than {DEEPEST} levels deep")
        for item in value.values() if isinstance(value, dict) else value:
            _check(item, depth + 1)
        for name in value if isinstance(value, dict) else ():
            _check_text(name)


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise NotStrict("a string holds half of a surrogate pair") from None
