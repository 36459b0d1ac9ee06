"""Writes the tables of the configuration's fields from their JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_KINDS = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "`true` or `false`",
    "null": "`null`",
}


def fields_of(schemas: Mapping[str, Any]) -> Iterator[str]:
    """For each object, by name, a heading and a table: field, what it may hold, what it is unless said otherwise."""
    for name, schema in sorted(schemas.items()):
        if "properties" not in schema:
            continue
        yield from ("", f"### {name}", "", "| field | may be | unless said |", "|---|---|---|")
        required = set(schema.get("required", ()))
        for field, each in schema["properties"].items():
            default = "required" if field in required else f"`{json.dumps(each.get('default'), ensure_ascii=False)}`"
            yield f"| `{field}` | {_may_be(each, schemas)} | {default} |"
    yield ""


def _may_be(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        target = schemas[name]
        return f"[{name}](#{name.lower()})" if "properties" in target else _may_be(target, schemas)
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(dict.fromkeys(_may_be(each, schemas) for each in schema[union]))
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{each}`" for each in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_may_be(schema.get('items', {}), schemas)}"
    return _bounded(schema)


def _bounded(schema: Mapping[str, Any]) -> str:
    """A plain value, with what its schema says of its size."""
    said = _KINDS.get(str(schema.get("type")), "object" if schema.get("type") == "object" else "any JSON")
    if schema.get("format") == "date-time":
        said = "time with its offset"
    low, high = schema.get("minimum", schema.get("minLength")), schema.get("maximum", schema.get("maxLength"))
    if low is not None or high is not None:
        unit = " characters" if schema.get("type") == "string" else ""
        if low is None or high is None:
            said += f", at most {high:.10g}{unit}" if low is None else f", at least {low:g}{unit}"
        else:
            said += f", {low:g} to {high:.10g}{unit}"
    return said
