"""The rules by which the Python worker accepts a function's parameters and annotations, or fails the whole app.

They are the worker's, odd as some are: `func.Out[typing.List[str]]` passes, `func.Out[list[str]]` does not. Whatever
depends on the kind of binding is asked of the same converters of azure.functions that the worker asks.
"""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import azure.functions
from azure.functions.decorators.core import Binding, BindingDirection

from hosting.errors import IndexingError

RETURN = "$return"
CONTEXT = "context"

# Neither is typed. The second is the very file that the worker uses.
_registry: Any = azure.functions.get_binding_registry
_typing_inspect: Any = importlib.import_module("azure.functions._thirdparty.typing_inspect")


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes beside its bindings: a `context`; its trigger as plain `str` or `bytes`, not an object."""

    wants_context: bool
    plain: type | None


def converter(binding_type: str) -> Any:
    """The class of azure.functions that knows a type of binding, such as `queueTrigger`."""
    return _registry().get(binding_type)


def check_signature(name: str, call: Callable[..., Any], bindings: Sequence[Binding], trigger: Binding) -> Signature:
    """What the function takes. Raises IndexingError, naming function and reason, if the worker would refuse it."""
    bound = {binding.name: binding for binding in bindings if binding.name != RETURN}
    parameters = list(inspect.signature(call).parameters)
    annotations = _annotations(name, call)
    wants_context = CONTEXT in parameters and CONTEXT not in bound
    if wants_context:
        parameters.remove(CONTEXT)
        _check_context(name, annotations)
    _check_names(name, set(parameters), set(bound))
    for parameter in parameters:
        if parameter in annotations:
            _check_parameter(name, bound[parameter], annotations[parameter])
    _check_return(name, bindings, annotations)
    annotation = annotations.get(trigger.name)
    plain = annotation if annotation in (str, bytes) else None
    if plain and trigger.type == "httpTrigger":  # indexed by the worker, and then a 500 at every call
        raise _refusal(name, f"`{trigger.name}` must be annotated func.HttpRequest")
    return Signature(wants_context, plain)


def _annotations(name: str, call: Callable[..., Any]) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(call)
    except Exception as error:  # whatever evaluating an annotation raises
        raise _refusal(name, f"an annotation cannot be resolved: {error}") from error


def _check_context(name: str, annotations: Mapping[str, Any]) -> None:
    annotation = annotations.get(CONTEXT, type)
    if CONTEXT in annotations and getattr(annotation, "__name__", "") != "Context":
        raise _refusal(name, f"`context` must be annotated func.Context or nothing, not {annotation!r}")


def _check_names(name: str, parameters: set[str], bound: set[str]) -> None:
    if parameters - bound:
        raise _refusal(name, f"these parameters are no binding of it: {_listed(parameters - bound)}")
    if bound - parameters:
        raise _refusal(name, f"these bindings are no parameter of it: {_listed(bound - parameters)}")


def _check_parameter(name: str, binding: Binding, annotation: Any) -> None:
    is_out = _is_out(annotation)
    kind = _inside_out(name, binding, annotation) if is_out else annotation
    where = f"the annotation {annotation!r} of `{binding.name}`"
    if not isinstance(kind, type) and not _typing_inspect.is_generic_type(kind):
        raise _refusal(name, f"{where} is not a plain type")
    if binding.direction == BindingDirection.OUT.value and not is_out:
        raise _refusal(name, f"{where} must be func.Out[...]: the binding is an output")
    if binding.direction == BindingDirection.IN.value and is_out:
        raise _refusal(name, f"{where} is func.Out[...], but the binding is an input")
    if not _accepts(binding, kind, is_out):
        raise _refusal(name, f"{where} does not fit a binding of type {binding.type}")


def _is_out(annotation: Any) -> bool:
    origin = _typing_inspect.get_origin(annotation) if _typing_inspect.is_generic_type(annotation) else None
    kind = annotation if origin is None else origin
    return isinstance(kind, type) and kind.__name__ == "Out"


def _inside_out(name: str, binding: Binding, annotation: Any) -> Any:
    inside = _typing_inspect.get_args(annotation)
    if len(inside) != 1:
        raise _refusal(name, f"`{binding.name}` must say what it puts out: func.Out[str] or func.Out[typing.List[str]]")
    return inside[0]


def _accepts(binding: Binding, kind: Any, is_out: bool) -> bool:
    if kind in (str, bytes):  # the worker's generic binding takes both, in either direction
        return True
    known = converter(str(binding.type))
    check = known.check_output_type_annotation if is_out else known.check_input_type_annotation
    try:
        return bool(check(kind))
    except TypeError:  # issubclass() of something that is no class: the worker fails on it too
        return False


def _check_return(name: str, bindings: Sequence[Binding], annotations: Mapping[str, Any]) -> None:
    binding = next((each for each in bindings if each.name == RETURN), None)
    if binding is None or "return" not in annotations:
        return
    annotation = annotations["return"]
    if not isinstance(annotation, type):
        raise _refusal(name, f"the return annotation {annotation!r} is not a plain class")
    if not converter(str(binding.type)).check_output_type_annotation(annotation):
        raise _refusal(
            name, f"the return annotation {annotation.__name__} does not fit a binding of type {binding.type}"
        )


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


def _refusal(name: str, reason: str) -> IndexingError:
    return IndexingError(f"function {name}: {reason}")
