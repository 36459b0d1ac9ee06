"""What pydantic refused, in the words of whoever wrote the document: which field, what is wrong, what is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from hub.errors import FieldError, Invalid
from hub.rules import strict_json

MOST_REPORTED: Final = 50
_WORDS: Final = {
    "missing": "is required",
    "model_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "list_type": "must be a JSON array",
    "tuple_type": "must be a JSON array",
    "string_type": "must be a string",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
}
_PATTERNS: Final = {
    r"^[A-Za-z0-9][A-Za-z0-9:._-]{0,62}$": "must be 1 to 63 letters, digits and : . _ - beginning with a letter or "
    "digit",
    r"^[A-Za-z_][A-Za-z0-9_]{0,62}$": "must be 1 to 63 letters, digits and _ not beginning with a digit",
    r"^[A-Za-z0-9-]{1,127}$": "must be the name of a secret: 1 to 127 letters, digits and dashes",
    r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$": "must be the name of a header: 1 to 100 letters, digits and dashes",
    r"^[A-Za-z0-9._~-]{1,100}$": "must be the name of a query parameter: 1 to 100 letters, digits and . _ ~ -",
    r"^[A-Za-z0-9_-]{43}$": "must be 256 bits as base64url without padding: 43 characters",
    r"^[A-Za-z0-9][A-Za-z0-9-]{0,39}$": "must be 1 to 40 letters, digits and dashes beginning with a letter or digit",
    r"^[^:\x00-\x1f\x7f]+$": "must be a user name: no colon, no control characters",
}

M = TypeVar("M", bound=BaseModel)


def parse(adapter: TypeAdapter[Any], model: Any, content: bytes) -> Any:
    """The document as `model` (what the adapter was made of), types taken strictly. Raises `Invalid` with its fields.

    The content is JSON that `strict_json` has let pass.
    """
    try:
        return adapter.validate_json(content, strict=True)
    except ValidationError as error:
        raise invalid(error, model) from None


def read_model(model: type[M], content: bytes, *, max_bytes: int) -> M:
    """A request's body as a model. Raises `Invalid` with its fields, `TooLarge`."""
    strict_json.read(content, max_bytes=max_bytes)
    try:
        return model.model_validate_json(content.removeprefix(b"\xef\xbb\xbf"), strict=True)
    except ValidationError as error:
        raise invalid(error, model) from None


def invalid(error: ValidationError, model: Any) -> Invalid:
    """The error as ours. No value of a field is repeated: it may be a secret."""
    return refusal(error.errors(include_url=False, include_context=True, include_input=False), model)


def refusal(found: Sequence[Any], model: Any) -> Invalid:
    """The same from pydantic's list of errors."""
    fields = [_field_error(each, model) for each in found[:MOST_REPORTED]]
    return Invalid(
        "the request was refused: " + "; ".join(f"{e.field or 'it'} {e.message}" for e in fields[:3]), fields
    )


def path(loc: Sequence[int | str]) -> str:
    """`parameters[0].type`."""
    text = ""
    for step in loc:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def _field_error(error: Any, model: Any) -> FieldError:
    loc, here = _place(error["loc"], model)
    kind = error["type"]
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        name = error["ctx"]["discriminator"].strip("'")
        return FieldError(path([*loc, name]), f"must be one of {', '.join(_tags(here, name))}")
    if kind == "extra_forbidden":
        _, around = _place(error["loc"][:-1], model)
        fields = around[0].model_fields if around else {}
        allowed = ", ".join(each.alias or name for name, each in fields.items())
        return FieldError(path(loc), f"is not a field here; allowed are {allowed}")
    return FieldError(path(loc), _words(error))


def _words(error: Any) -> str:
    kind = error["type"]
    if kind == "string_pattern_mismatch" and error["ctx"]["pattern"] in _PATTERNS:
        return _PATTERNS[error["ctx"]["pattern"]]
    said: str = error["msg"]
    return _WORDS.get(kind) or said.replace("Input should be", "must be", 1)


def _place(loc: Sequence[int | str], model: Any) -> tuple[list[int | str], list[type[BaseModel]]]:
    """The way without the tags that pydantic puts in where a field chooses among models, and the models at its end."""
    shown: list[int | str] = []
    here = _models_in(model)
    for step in loc:
        chosen = [each for each in here if len(here) > 1 and step in _literals(each)]
        if chosen:
            here = chosen
            continue
        shown.append(step)
        if isinstance(step, str):
            here = [found for each in here[:1] for found in _models_in(_annotation(each, step))]
    return shown, here


def _annotation(model: type[BaseModel], field: str) -> Any:
    return model.model_fields[field].annotation if field in model.model_fields else None


def _tags(models: Sequence[type[BaseModel]], name: str) -> list[str]:
    return [str(value) for each in models for value in get_args(_annotation(each, name))]


def _literals(model: type[BaseModel]) -> set[Any]:
    annotations = [each.annotation for each in model.model_fields.values()]
    return {value for each in annotations if get_origin(each) is Literal for value in get_args(each)}


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models inside `X | None`, `tuple[X, ...]`, `Annotated[X | Y, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and get_origin(annotation) is None:
        return [annotation]
    inside = get_args(annotation)[:1] if get_origin(annotation) is Annotated else get_args(annotation)
    return [found for each in inside for found in _models_in(each)]
