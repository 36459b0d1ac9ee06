"""From what was sent to a checked model: the name from the address, merge patches, lists of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import JsonValue, TypeAdapter

from hub.errors import FieldError, Invalid
from hub.model.configuration import Action, EventType, Kind, SinkType, Source
from hub.rules import field_errors, strict_json

MODELS: Final[Mapping[Kind, Any]] = {
    Kind.SINK_TYPE: SinkType,
    Kind.ACTION: Action,
    Kind.EVENT_TYPE: EventType,
    Kind.SOURCE: Source,
}
_ADAPTERS: Final = {kind: TypeAdapter[Any](model) for kind, model in MODELS.items()}


def parse(kind: Kind, document: JsonValue) -> Any:
    """The model of one document. Raises `Invalid` with its fields."""
    return field_errors.parse(_ADAPTERS[kind], MODELS[kind], strict_json.write(document))


def parse_all(documents: Mapping[Kind, Sequence[JsonValue]]) -> list[tuple[Kind, Any]]:
    """The models of a file's documents. Raises `Invalid` with the fields of all of them."""
    found: list[tuple[Kind, Any]] = []
    problems: list[FieldError] = []
    seen: set[tuple[Kind, str]] = set()
    for kind, each in documents.items():
        for index, document in enumerate(each):
            place = f"{list_name(kind)}[{index}]"
            try:
                model = parse(kind, document)
            except Invalid as error:
                problems += [FieldError(f"{place}.{one.field}".rstrip("."), one.message) for one in error.fields]
                continue
            if (kind, model.name.casefold()) in seen:
                problems.append(FieldError(f"{place}.name", f"{model.name} is there twice"))
            seen.add((kind, model.name.casefold()))
            found.append((kind, model))
    if problems:
        said = "; ".join(f"{each.field} {each.message}" for each in problems[:3])
        raise Invalid(f"the request was refused: {said}", problems)
    return found


def list_name(kind: Kind) -> str:
    """The key of its list in a configuration file: `sink_types`."""
    return kind.value.replace("-", "_")


def named(document: JsonValue, name: str) -> JsonValue:
    """The document with the name of its address, which it may leave out and may write in another case."""
    if not isinstance(document, dict):
        raise Invalid("the document must be a JSON object", [FieldError("", "must be a JSON object")])
    said = document.get("name", name)
    if not isinstance(said, str) or said.casefold() != name.casefold():
        what = f"must be the name in the address, {name}: a document is not renamed, but made anew"
        raise Invalid(f"the request was refused: name {what}", [FieldError("name", what)])
    return {**document, "name": said}


def merge_patch(target: JsonValue, changes: JsonValue) -> JsonValue:
    """RFC 7396: objects are merged, null removes, everything else replaces."""
    if not isinstance(changes, dict):
        return changes
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged
