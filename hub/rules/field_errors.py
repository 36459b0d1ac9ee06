"""What pydantic refused, in the words of whoever wrote the document: which field, what is wrong, what is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from hub.errors import FieldError, Invalid
from hub.rules import strict_json

MOST_REPORTED: Final = 50
_WORDS: Final = {
    "missing": "is required",
    "model_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
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
    fields = [FieldError(path(each["loc"]), _words(each, model)) for each in found[:MOST_REPORTED]]
    return Invalid(
        "the request was refused: " + "; ".join(f"{e.field or 'it'} {e.message}" for e in fields[:3]), fields
    )


def path(loc: Sequence[int | str]) -> str:
    """`parameters[0].type`."""
    text = ""
    for step in loc:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def _words(error: Any, model: Any) -> str:
    kind = error["type"]
    if kind == "extra_forbidden":
        allowed = ", ".join(_fields_at(model, error["loc"][:-1]))
        return f"is not a field here; allowed are {allowed}"
    if kind == "string_pattern_mismatch" and error["ctx"]["pattern"] in _PATTERNS:
        return _PATTERNS[error["ctx"]["pattern"]]
    said: str = error["msg"]
    return _WORDS.get(kind) or said.replace("Input should be", "must be", 1)


def _fields_at(model: Any, loc: Sequence[int | str]) -> list[str]:
    """The fields of the model found on the way that `loc` goes."""
    here = _model_in(model)
    for step in loc:
        if here is not None and isinstance(step, str) and step in here.model_fields:
            here = _model_in(here.model_fields[step].annotation)
    return list(here.model_fields) if here is not None else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside `X | None`, `tuple[X, ...]`, `Annotated[X, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and get_origin(annotation) is None:
        return annotation
    inside = get_args(annotation)[:1] if get_origin(annotation) is Annotated else get_args(annotation)
    return next((found for each in inside if (found := _model_in(each)) is not None), None)
