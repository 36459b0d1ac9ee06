"""Checks what agents say against docs/agent-protocol.json, which is generated from the hub's own models.

The checker knows the part of JSON Schema that such models use, and refuses to run on any other.
"""

# ruff: noqa: ARG001 - every keyword's check has the same signature

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Optional

PROTOCOL = Path(__file__).parents[2] / "docs" / "agent-protocol.json"
MODELS = {
    "enroll": "Enrol",
    "credential": "Rotate",
    "poll": "Poll",
    "secrets": "Need",
    "renew": "Renew",
    "logs": "Logs",
    "result": "Result",
}
_TYPES: Mapping[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
_SILENT = {"title", "description", "default", "format", "$defs", "discriminator"}


def problems_with(kind: str, said: Any) -> list[str]:
    """What is wrong with the body of a call of this kind."""
    schema, definitions = _schema(MODELS[kind])
    return [f"{kind}{place}: {words}" for place, words in _problems(said, schema, definitions, "")]


@lru_cache(maxsize=None)
def _schema(model: str) -> tuple[dict[str, Any], dict[str, Any]]:
    document = _document()
    found = _find(document, model)
    assert found is not None, f"docs/agent-protocol.json has no {model}"
    return found, document


def _document() -> dict[str, Any]:
    if PROTOCOL.exists():
        document: dict[str, Any] = json.loads(PROTOCOL.read_text("utf-8"))
        return document
    # Before the document was generated for the first time: from what it is generated from.
    from hub import wire

    return {model: getattr(wire, model).model_json_schema() for model in MODELS.values()}


def _find(document: Any, model: str) -> Optional[dict[str, Any]]:
    """The model's schema, wherever the document keeps it."""
    if not isinstance(document, dict):
        return None
    here = document.get(model)
    if isinstance(here, dict) and "properties" in here:
        return here
    return next((found for value in document.values() if (found := _find(value, model)) is not None), None)


def _problems(value: Any, schema: Any, document: dict[str, Any], place: str) -> Iterator[tuple[str, str]]:
    if schema is True or schema == {}:
        return
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield from _problems(value, _definition(document, name), document, place)
        return
    if "anyOf" in schema or "oneOf" in schema:
        choices = schema.get("anyOf") or schema["oneOf"]
        if not any(not list(_problems(value, choice, document, place)) for choice in choices):
            yield place, f"{value!r} is none of what is allowed"
        return
    for keyword, limit in schema.items():
        if keyword not in _SILENT:
            yield from _KEYWORDS[keyword](value, limit, schema, document, place)
    if schema.get("format") == "date-time" and not _is_moment(value):
        yield place, f"{value!r} is not a moment"


def _definition(document: Any, name: str) -> Any:
    found = _find_any(document, name)
    assert found is not None, f"no definition of {name}"
    return found


def _find_any(document: Any, name: str) -> Any:
    if not isinstance(document, dict):
        return None
    here = document.get("$defs", {}).get(name) if isinstance(document.get("$defs"), dict) else None
    if here is not None:
        return here
    return next((found for value in document.values() if (found := _find_any(value, name)) is not None), None)


def _is_moment(value: Any) -> bool:
    try:
        return datetime.fromisoformat(str(value).replace("Z", "+00:00")).tzinfo is not None
    except ValueError:
        return False


def _type(value: Any, limit: Any, schema: Any, document: Any, place: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, _TYPES[limit]) or (isinstance(value, bool) and limit in ("integer", "number")):
        yield place, f"{value!r} is not of type {limit}"


def _properties(value: Any, limit: Any, schema: Any, document: Any, place: str) -> Iterator[tuple[str, str]]:
    for name, inner in limit.items():
        if isinstance(value, dict) and name in value:
            yield from _problems(value[name], inner, document, f"{place}.{name}")


def _required(value: Any, limit: Any, schema: Any, document: Any, place: str) -> Iterator[tuple[str, str]]:
    for name in limit:
        if isinstance(value, dict) and name not in value:
            yield place, f"{name} is missing"


def _additional(value: Any, limit: Any, schema: Any, document: Any, place: str) -> Iterator[tuple[str, str]]:
    if limit is False and isinstance(value, dict):
        for name in value.keys() - schema["properties"].keys():
            yield place, f"{name} is unknown"


def _items(value: Any, limit: Any, schema: Any, document: Any, place: str) -> Iterator[tuple[str, str]]:
    for number, item in enumerate(value if isinstance(value, list) else ()):
        yield from _problems(item, limit, document, f"{place}[{number}]")


def _check(kinds: Any, holds: Any, words: str) -> Any:
    """A keyword that says something about values of these kinds only."""

    def check(value: Any, limit: Any, schema: Any, document: Any, place: str) -> Iterator[tuple[str, str]]:
        if isinstance(value, kinds) and not holds(value, limit):
            yield place, f"{value!r:.200} is not {words} {limit!r}"

    return check


_NUMBER = (int, float)
_KEYWORDS: Mapping[str, Any] = {
    "type": _type,
    "properties": _properties,
    "required": _required,
    "additionalProperties": _additional,
    "items": _items,
    "enum": _check(object, lambda value, limit: value in limit, "one of"),
    "const": _check(object, lambda value, limit: value == limit, "equal to"),
    "pattern": _check(str, lambda value, limit: re.search(limit, value) is not None, "of the pattern"),
    "maxLength": _check(str, lambda value, limit: len(value) <= limit, "at most as long as"),
    "minLength": _check(str, lambda value, limit: len(value) >= limit, "at least as long as"),
    "maxItems": _check(list, lambda value, limit: len(value) <= limit, "at most as long as"),
    "minItems": _check(list, lambda value, limit: len(value) >= limit, "at least as long as"),
    "minimum": _check(_NUMBER, lambda value, limit: value >= limit, "at least"),
    "maximum": _check(_NUMBER, lambda value, limit: value <= limit, "at most"),
    "exclusiveMinimum": _check(_NUMBER, lambda value, limit: value > limit, "above"),
    "exclusiveMaximum": _check(_NUMBER, lambda value, limit: value < limit, "below"),
}
